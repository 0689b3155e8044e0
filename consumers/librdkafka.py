"""librdkafka as readers use it: its settings, its news of group and partitions, its messages as our records."""

import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from consumers.port import LogRefused
from models.records import Record
from producers import librdkafka
from producers.connection import Connection

FETCHED_KILOBYTES: Final = 32_768
"""Most that one reader holds of what it has not polled; one answer of a broker, 16 MB, may come on top."""

BEGINNING: Final = -2  # as a time, in a question for offsets
END: Final = -1

MOVING: Final = frozenset(
    (
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - public all the same
    )
)
"""What a partition that there is is told to be while its leader is chosen: what Kafka's own client asks again for,
but for topics that there are not, and what librdkafka says by itself."""

NEWS: Final = frozenset((KafkaError._PARTITION_EOF, KafkaError._MAX_POLL_EXCEEDED))  # noqa: SLF001 - public all the same
"""What the client tells in place of a record and goes on by itself after."""

FORM: Final = b"CGMDv2:"  # how the client begins to tell a membership; the generation follows

Place = tuple[str, int]  # topic, with the prefix, and partition


class Share:
    """What the group gave and took; told by the client while a poll waits."""

    def __init__(self) -> None:
        self.generation = -1  # of the group, when it last gave
        self.new: set[Place] = set()  # given, and not stood in yet
        self.taken: list[Place] = []  # since the last poll

    def gives(self, consumer: Any, places: Sequence[TopicPartition]) -> None:
        """To be called when partitions are assigned."""
        self.generation = generation_of(consumer.consumer_group_metadata())
        self.new |= {(place.topic, place.partition) for place in places}

    def takes(self, _: Any, places: Sequence[TopicPartition]) -> None:
        """To be called when partitions are revoked or lost."""
        for place in ((place.topic, place.partition) for place in places):
            self.taken.append(place)
            self.new.discard(place)


def settings(
    connection: Connection, *, group: str, instance: str | None, session: float, max_interval: float, idle: float
) -> dict[str, Any]:
    """What a consumer of ours is made with; times in seconds.

    Raises:
        LogRefused: a security setting is unknown, or this client does not have it.

    """
    session = min(session, max_interval)  # the client wants it so
    return librdkafka.settings(connection) | {
        "group.id": group,
        **({} if instance is None else {"group.instance.id": instance}),
        "enable.auto.commit": False,  # the past is published with the records, or not at all
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,  # so that positions lie beyond the marks that end transactions
        "isolation.level": "read_committed",  # for the group's past too: only then is it asked for as decided
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": int(session * 1_000),
        "heartbeat.interval.ms": int(min(3.0, session / 4) * 1_000),
        "max.poll.interval.ms": int(max_interval * 1_000),
        "socket.timeout.ms": int(connection.patience * 500),
        "topic.metadata.refresh.interval.ms": int(idle * 1_000),
        "fetch.wait.max.ms": 50,
        "fetch.queue.backoff.ms": 20,  # the default, a second, leaves a fast reader without records
        "fetch.message.max.bytes": 1_048_576,
        "fetch.max.bytes": 16_000_000,
        "queued.min.messages": 20_000,
        "queued.max.messages.kbytes": FETCHED_KILOBYTES,
    }


def places_of(metadata: Any, name: str) -> list[Place]:
    """The partitions of a topic, in order, from what the cluster says of it.

    Raises:
        KafkaException: there is no such topic, or we may not know.

    """
    topic = metadata.topics[name]
    if topic.error is not None:
        raise KafkaException(topic.error)
    return [(name, number) for number in sorted(topic.partitions)]


def generation_of(membership: bytes) -> int:
    """The generation of its group that the client was of; below 0 there is none, and brokers take offsets from anyone.

    Raises:
        LogRefused: the client tells memberships in a form that is not known here.

    """
    if not membership.startswith(FORM):
        raise LogRefused(f"this confluent-kafka tells memberships in another form than {FORM!r}: install another")
    return int(struct.unpack_from("=i", membership, len(FORM))[0])


def offsets_of(places: Sequence[TopicPartition]) -> dict[Place, int]:
    """Read an answer of offsets by partition; below 0 there is none.

    Raises:
        KafkaException: as told of a partition.

    """
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
    return {(place.topic, place.partition): place.offset for place in places}


def asked_offsets(consumer: Any, places: Sequence[Place], when: int, *, patience: float) -> dict[Place, int]:
    """Ask the brokers where partitions begin or end, again while leaders are chosen.

    Raises:
        KafkaException: as told of a partition, for longer than `patience` seconds where its leader moves.

    """
    asked = [TopicPartition(*place, when) for place in places]
    deadline = time.monotonic() + patience
    while asked:
        try:
            return offsets_of(consumer.offsets_for_times(asked, patience))
        except KafkaException as error:
            if error.args[0].code() not in MOVING or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    return {}


def records_of(messages: Sequence[Any], topics: Mapping[str, str]) -> list[Record]:
    """Make our records of the client's; `topics` are their names without the prefix."""
    return [
        Record(
            topics[m.topic()],
            m.partition(),
            m.offset(),
            m.key(),
            m.value(),
            m.timestamp()[1] / 1_000,
            _content_type(headers) if (headers := m.headers()) else "",
        )
        for m in messages
        if m.error() is None
    ]


def _content_type(headers: Sequence[tuple[str, bytes | None]]) -> str:
    for name, value in headers:
        if name.lower() == "content-type" and value is not None:
            return value.decode("latin-1").lower()
    return ""
