"""What travels on the log, whichever log it is: records, places and positions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple


class Record(NamedTuple):
    """One record as read from the log.

    Args:
        topic: the topic's name without the configured prefix.
        partition: partition number, from 0.
        offset: place within the partition; grows, need not be contiguous.
        key: the key's bytes, or None.
        value: the payload's bytes; None withdraws what the key names.
        at: append time in seconds since the epoch, as the log stamped it.
        content_type: the `content-type` header, lower case; empty if there was none.

    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    at: float
    content_type: str = ""

    @property
    def arrival(self) -> str:
        """Name of this place in the log: `topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"


class Outgoing(NamedTuple):
    """One record to be written. `partition` None lets the log choose by key."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a reader stands: the next offset to read, by (topic, partition).

    `membership` is the log's own proof that the reader still owns these partitions, taken right after the poll;
    nothing outside the log's adapters looks into it.
    """

    group: str
    offsets: Mapping[tuple[str, int], int] = field(default_factory=lambda: MappingProxyType({}))
    membership: Any = None
