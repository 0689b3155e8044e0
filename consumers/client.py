"""The Kafka client as we use it: its settings, its news of the group, its records as ours."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from models.records import Record


def settings(
    *, group: str, instance: str | None, patience: float, session: float, max_interval: float, idle: float
) -> dict[str, Any]:
    """What a consumer of ours is made with, besides where and as whom; times in seconds."""
    return {
        "group_id": group,
        "group_instance_id": instance,
        "enable_auto_commit": False,  # the past is published with the records, or not at all
        "isolation_level": "read_committed",  # for the group's past too: only then is it asked for as decided
        "auto_offset_reset": "earliest",
        "allow_auto_create_topics": False,
        "partition_assignment_strategy": [CooperativeStickyAssignor],
        "session_timeout_ms": int(session * 1_000),
        "heartbeat_interval_ms": int(min(3.0, session / 4) * 1_000),
        "max_poll_interval_ms": int(max_interval * 1_000),
        "request_timeout_ms": int(patience * 500),
        "metadata_max_age_ms": int(idle * 1_000),
        "fetch_max_wait_ms": 50,
        "max_partition_fetch_bytes": 1_048_576,
        "fetch_max_bytes": 32_000_000,
        "receive_buffer_bytes": 4_194_304,
    }


class Taken(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Remembers what the group took away; told on the client's thread, only while a poll waits."""

    def __init__(self) -> None:
        self.places: set[TopicPartition] = set()

    def on_partitions_assigned(self, assigned: Any) -> None:
        """Nothing is to be remembered of these."""

    def on_partitions_revoked(self, revoked: Any) -> None:
        self.places |= set(revoked)

    def on_partitions_lost(self, lost: Any) -> None:
        self.places |= set(lost)


class _Kept:
    """A join under way that is never called done, so that the client takes its result instead of joining once more."""

    def __init__(self, join: Any) -> None:
        self.is_done = False
        self.add_callback, self.add_errback = join.add_callback, join.add_errback  # told at once of what is over


def keep_join(consumer: Any) -> None:
    """Let a join that ends between two polls count; kafka-python 3.0.12 throws its result away.

    It then joins again, and so do all other members: where members poll in turn, nobody ever reads again. Or it never
    looks at the result: a leader that joins since there are more partitions has no reason left once it shared them out.
    """
    coordinator = consumer._coordinator  # noqa: SLF001 - there is no other way in
    if coordinator._join_task is None:  # noqa: SLF001
        return
    coordinator.rejoin_needed = True
    if not isinstance(coordinator._join_task, _Kept):  # noqa: SLF001
        coordinator._join_task = _Kept(coordinator._join_task)  # noqa: SLF001


def wait_wholly(consumer: Any) -> None:
    """Let a poll wait for as long as it is told; kafka-python 3.0.12 spins in it while a heartbeat is not answered.

    Of each of a thousand turns a second it keeps 10 kB until the fetch under way is over, when a broker stands still.
    Heartbeats need no poll: they are sent on the client's own thread.
    """
    consumer._coordinator.time_to_next_poll = lambda: math.inf  # noqa: SLF001 - there is no other way in


@contextmanager
def staying(consumer: Any) -> Iterator[None]:
    """Let polls move on to no other generation, though the group may want to since it was asked."""
    coordinator = consumer._coordinator  # noqa: SLF001 - there is no other way in
    coordinator.need_rejoin = lambda: False
    try:
        yield
    finally:
        del coordinator.need_rejoin


def is_to_join(consumer: Any) -> bool:
    """Whether the next poll moves on to the group's next generation, which takes nothing published by the last."""
    return bool(consumer._coordinator.need_rejoin())  # noqa: SLF001 - there is no other way to know


def record_of(topic: str, record: Any) -> Record:
    """Make our record of the client's; `topic` is its name without the prefix."""
    content_type = ""
    for name, value in record.headers or ():
        if name.lower() == "content-type":
            content_type = value.decode("latin-1").lower()
    at = record.timestamp / 1_000
    return Record(topic, record.partition, record.offset, record.key, record.value, at, content_type)
