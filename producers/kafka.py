"""Writing to Kafka: one publish is one transaction, checked record by record before it is committed."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from kafka import ConsumerGroupMetadata, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import InvalidProducerEpochError, KafkaError, ProducerFencedError

from models.records import Outgoing, Position
from producers.connection import Connection, Watchdog, abandon, fault, faults, made
from producers.port import DeliveryFailed, Fenced
from producers.provision import MAX_BATCH
from producers.topics import MAX_RECORD, Topic, check

CLOSING: Final = 3.0
"""Seconds that a client gets to leave in peace."""

FENCED: Final = (ProducerFencedError, InvalidProducerEpochError)


class KafkaWriter:
    """Writes to Kafka under a transactional id.

    Opening fences whoever used the same `name` before and ends its transaction, so a name belongs to one living
    process. Every error leaves the outcome to be read from the log: close this writer and its reader, open both again.
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
        settings = connection.settings()
        connection.reach()
        self._watchdog = Watchdog(f"{connection.client}-writer")
        self._producer: Any = None
        patience = int(connection.patience * 1_000)
        settings |= {
            "allow_auto_create_topics": False,
            "transactional_id": name,
            "transaction_timeout_ms": patience,
            "delivery_timeout_ms": patience * 2 // 3,
            "request_timeout_ms": patience // 4,
            "max_block_ms": patience // 2,
            "retry_backoff_ms": int(retry_backoff * 1_000),
            "batch_size": 262_144,
            "linger_ms": 20,
            "max_request_size": MAX_BATCH,
            "compression_type": compression,
        }
        try:
            with faults(f"opening the writer {name!r}"):
                self._watchdog.call(lambda: self._open(settings), connection.patience * 1.5)
        except BaseException:
            self.close()
            raise

    def _open(self, settings: dict[str, Any]) -> None:
        self._producer = made(KafkaProducer, settings)
        self._producer.init_transactions()

    def publish(self, records: Sequence[Outgoing], past: Position | None) -> None:
        check(records, self._topics, limit=self._limit)
        if self._broken:
            raise DeliveryFailed(f"this writer is to be dropped, since {self._broken}")
        offsets, metadata = self._past(past)
        if not records and not offsets:
            return
        try:
            self._watchdog.call(lambda: self._transact(records, offsets, metadata), self._connection.patience)
        except (KafkaError, OSError, ValueError, TypeError, AssertionError, RuntimeError, LookupError) as error:
            self._broken = str(fault("a publish", error))
            raise (Fenced if isinstance(error, FENCED) else DeliveryFailed)(self._broken) from error
        except DeliveryFailed as error:
            self._broken = str(error)
            raise

    def _transact(self, records: Sequence[Outgoing], offsets: dict[Any, Any], metadata: Any) -> None:
        producer, prefix = self._producer, self._connection.prefix
        producer.begin_transaction()
        sent = [
            producer.send(
                prefix + record.topic,
                value=record.value,
                key=record.key,
                partition=record.partition,
                headers=[("content-type", record.content_type.encode())] if record.content_type else None,
            )
            for record in records
        ]
        producer.flush(timeout=self._connection.patience)
        # The client may report a commit whose records all failed; only the futures tell.
        for record, future in zip(records, sent, strict=True):
            if not future.succeeded():
                kind = Fenced if isinstance(future.exception, FENCED) else DeliveryFailed
                raise kind(f"Kafka did not take a record for {record.topic!r}: {future.exception}")
        if offsets:
            producer.send_offsets_to_transaction(offsets, metadata)
        producer.commit_transaction()

    def _past(self, past: Position | None) -> tuple[dict[Any, Any], Any]:
        if past is None or not past.offsets:
            return {}, None
        epochs: Mapping[tuple[str, int], int] = {}
        metadata = ConsumerGroupMetadata(past.group)
        if past.membership is not None:
            metadata, epochs = past.membership
            # Brokers take offsets without a generation from anyone, fenced or not.
            if metadata.generation_id < 0 or not metadata.member_id:
                raise DeliveryFailed(f"the reader has lost its place in the group {past.group!r}")
        prefix = self._connection.prefix
        offsets = {
            TopicPartition(prefix + topic, partition): OffsetAndMetadata(at, "", epochs.get((topic, partition), -1))
            for (topic, partition), at in past.offsets.items()
        }
        return offsets, metadata

    def close(self) -> None:
        producer, self._producer = self._producer, None
        self._broken = self._broken or "it is closed"
        if producer is not None:
            with suppress(Exception):
                # After a failure there is nothing worth waiting for; the next writer of this name ends the transaction.
                self._watchdog.call(lambda: producer.close(timeout=CLOSING), CLOSING + 1)
            abandon(producer)
        self._watchdog.close()
