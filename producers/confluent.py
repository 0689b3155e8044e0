"""Writing to Kafka with librdkafka: one publish is one transaction, checked record by record before it is committed."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from models.records import Outgoing, Position
from producers.connection import Connection, Watchdog
from producers.librdkafka import Told, end, faults, said, settings
from producers.port import DeliveryFailed, Fenced, LogRefused, LogUnavailable
from producers.provision import MAX_BATCH
from producers.topics import MAX_RECORD, Topic, check

WAITING_KILOBYTES: Final = 65_536
"""Most that one writer holds of what it has not sent."""

GRACE: Final = 1.0
"""Seconds that a call may take beyond the limit it was given."""

FENCED: Final = frozenset(
    (
        KafkaError._FENCED,  # noqa: SLF001 - so the package names what the client itself finds
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    )
)


class ConfluentWriter:
    """Writes to Kafka under a transactional id.

    Opening fences whoever used the same `name` before and ends its transaction, so a name belongs to one living
    process. Every error leaves the outcome to be read from the log: close this writer and its reader, open both again.
    A key goes to the partition that the other client would choose.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        name: str,
        topics: Mapping[str, Topic],
        limit: int = MAX_RECORD,
        compression: str | None = "lz4",
        retry_backoff: float = 0.02,
    ) -> None:
        """Open a producer and take over its name; `topics` are those that `provision` returned.

        Raises:
            LogUnavailable: no broker answers within the connection's patience.
            LogRefused: a setting, the login or the rights are wrong.

        """
        self._connection = connection
        self._topics = topics
        self._limit = limit
        self._broken = ""
        self._failed: list[KafkaError] = []  # of the publish under way
        self._told = Told()
        self._strangers: dict[str, Any] = {}
        self._producer: Any = None
        patience = int(connection.patience * 1_000)
        made_with = settings(connection) | {
            "transactional.id": name,
            "transaction.timeout.ms": patience,
            "message.timeout.ms": patience * 2 // 3,
            "socket.timeout.ms": patience // 4,
            "retry.backoff.ms": int(retry_backoff * 1_000),
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "message.max.bytes": MAX_BATCH,
            "queue.buffering.max.kbytes": WAITING_KILOBYTES,
            "queue.buffering.max.messages": 100_000,
            "compression.type": compression or "none",
            "delivery.report.only.error": True,
            "error_cb": self._told,
        }
        connection.reach()
        self._watchdog = Watchdog(f"{connection.client}-offsets")
        try:
            with faults(f"opening the writer {name!r}", self._told):
                self._producer = Producer(made_with)
                # Known first, the server and the broker behind it: else it looks again only after half a second.
                for _ in range(2):
                    self._producer.list_topics(connection.prefix + next(iter(topics)), connection.patience)
                self._producer.init_transactions(connection.patience)
        except BaseException:
            self.close()
            raise

    def publish(self, records: Sequence[Outgoing], past: Position | None) -> None:
        check(records, self._topics, limit=self._limit)
        if self._broken:
            raise DeliveryFailed(f"this writer is to be dropped, since {self._broken}")
        try:
            with faults("a publish", self._told):
                offsets, metadata = self._past(past)
                if records or offsets:
                    self._transact(records, offsets, metadata)
        except (DeliveryFailed, LogUnavailable, LogRefused) as error:
            ended = self._ended()
            self._broken = f"{error}; {said(ended)}" if ended else str(error)
            raise (Fenced if ended and ended.code() in FENCED else DeliveryFailed)(self._broken) from error

    def _ended(self) -> KafkaError | None:
        """What ended the client for good, if anything did; it says so whenever it is asked for more."""
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            return error.args[0] if error.args[0].fatal() else None
        return None

    def _transact(self, records: Sequence[Outgoing], offsets: list[TopicPartition], metadata: Any) -> None:
        producer, deadline = self._producer, time.monotonic() + self._connection.patience
        producer.begin_transaction()
        self._send(records, deadline)
        waiting = producer.flush(max(0.0, deadline - time.monotonic()))
        # Every record is accounted for once none waits: each that failed has been reported.
        if self._failed:
            raise DeliveryFailed(
                f"Kafka did not take {len(self._failed)} of {len(records)} records: {said(self._failed[0])}{self._told}"
            )
        if waiting:
            raise DeliveryFailed(f"no answer within {self._connection.patience:g} s for {waiting} records{self._told}")
        if offsets:
            self._send_offsets(offsets, metadata, max(0.001, deadline - time.monotonic()))
        producer.commit_transaction(max(0.001, deadline - time.monotonic()))

    def _send_offsets(self, offsets: list[TopicPartition], metadata: Any, limit: float) -> None:
        """Send them; once the group's coordinator was away librdkafka may forget the limit (its issue 5456)."""
        send = self._producer.send_offsets_to_transaction
        try:
            self._watchdog.call(lambda: send(offsets, metadata, limit), limit + GRACE)
        except TimeoutError:
            raise DeliveryFailed(f"no answer within {limit + GRACE:.1f} s for the offsets{self._told}") from None

    def _send(self, records: Sequence[Outgoing], deadline: float) -> None:
        produce, names = self._producer.produce, {topic: self._connection.prefix + topic for topic in self._topics}
        headers: dict[str, Any] = {"": None}
        for topic, key, value, partition, content_type in records:
            if content_type not in headers:
                headers[content_type] = [("content-type", content_type.encode())]
            to = -1 if partition is None else partition
            while True:
                try:
                    produce(names[topic], value, key, to, self._reported, None, 0, headers[content_type])
                    break
                except BufferError:
                    if time.monotonic() > deadline:
                        raise
                    self._producer.poll(0.05)

    def _reported(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._failed.append(error)

    def _past(self, past: Position | None) -> tuple[list[TopicPartition], Any]:
        if past is None or not past.offsets:
            return [], None
        epochs: Mapping[tuple[str, int], int] = {}
        if past.membership is None:
            metadata = self._stranger(past.group)
        else:
            metadata, epochs = past.membership
            if metadata is None:
                raise DeliveryFailed(f"the reader has lost its place in the group {past.group!r}")
        prefix = self._connection.prefix
        offsets = [
            TopicPartition(prefix + topic, partition, at, "", epochs.get((topic, partition), -1))
            for (topic, partition), at in past.offsets.items()
        ]
        return offsets, metadata

    def _stranger(self, group: str) -> Any:
        """Return what a client says of its group that never joined it."""
        if group not in self._strangers:
            consumer = Consumer(settings(self._connection) | {"group.id": group})
            self._strangers[group] = consumer.consumer_group_metadata()
            end(f"{self._connection.client}-stranger", consumer.close)
        return self._strangers[group]

    def close(self) -> None:
        self._broken = self._broken or "it is closed"
        if self._producer is not None:
            end(f"{self._connection.client}-writer", self._drop)
        self._watchdog.close()

    def _drop(self) -> None:
        # After a failure there is nothing worth waiting for; the next writer of this name ends the transaction.
        producer, self._producer = self._producer, None
        producer.purge()
