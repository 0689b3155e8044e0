"""The topics: how many partitions each has, what is kept of it and for how long."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from models.records import Outgoing
from producers.port import RecordRefused

DAY: Final = 86_400.0

MAX_RECORD: Final = 2_000_000
"""Most bytes of a record's key and value: a query carries a whole product, of up to 1,000,000, and its scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic, without the configured prefix.

    `keep_seconds` and `keep_bytes` (of one partition) bound what is kept; None is for ever. Of a compacted topic the
    newest record of each key is kept whatever its age, and every record needs a key.
    """

    name: str
    partitions: int = 1
    keep_seconds: float | None = None
    keep_bytes: int | None = None
    compacted: bool = False


def topics(*, partitions: int = 1, keep_bytes: int | None = None) -> Mapping[str, Topic]:
    """Make the topics of the service; `partitions` is how many scorers can share the feed at most.

    Queries and labels outlive products and predictions: an answer may come weeks after the product. What the learner
    has taken in is in its ledger, so nothing is learnt twice or lost when the log forgets it.
    """
    made = (
        Topic(name="products", keep_seconds=7 * DAY, partitions=partitions, keep_bytes=keep_bytes),
        Topic(name="predictions", keep_seconds=7 * DAY, partitions=partitions, keep_bytes=keep_bytes),
        Topic(name="queries", keep_seconds=30 * DAY, partitions=partitions, keep_bytes=keep_bytes),
        Topic(name="labels", keep_seconds=90 * DAY, partitions=partitions, keep_bytes=keep_bytes),
        Topic(name="rejections", keep_seconds=30 * DAY, keep_bytes=keep_bytes),
        Topic(name="tallies", keep_seconds=30 * DAY, keep_bytes=keep_bytes),
        Topic(name="snapshots", compacted=True),
    )
    return MappingProxyType({topic.name: topic for topic in made})


def check(records: Iterable[Outgoing], known: Mapping[str, Topic], *, limit: int) -> None:
    """Raise RecordRefused for the first record that no log would take."""
    for record in records:
        topic = known.get(record.topic)
        if topic is None:
            raise RecordRefused(f"there is no topic {record.topic!r}; known are {', '.join(sorted(known))}")
        if topic.compacted and record.key is None:
            raise RecordRefused(f"a record of the compacted topic {record.topic!r} needs a key")
        if record.partition is not None and not 0 <= record.partition < topic.partitions:
            raise RecordRefused(f"topic {record.topic!r} has {topic.partitions} partitions, not one {record.partition}")
        size = len(record.key or b"") + len(record.value or b"")
        if size > limit:
            raise RecordRefused(f"a record for {record.topic!r} has {size} bytes; at most {limit} are taken")
