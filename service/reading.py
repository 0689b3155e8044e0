"""Reading a whole topic, as it stands now, without being anybody in a group."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from consumers.port import Consumer
from models.records import Position, Record

Read = Callable[[tuple[str, ...], str, Position | None], Consumer]

GROUP: Final = "askance-reader"
PAUSE: Final = 0.25  # seconds waited for a record
PAUSES: Final = 40  # without a record, after which a log that cannot tell its end is taken to be at it


def read_topic(read: Read, topic: str, start: Position | None = None) -> Iterator[Record]:
    """Yield the records of a topic from `start` (default: its beginning) to its present end."""
    consumer = read((topic,), GROUP, start or Position(group=GROUP))
    waited = 0
    try:
        while waited < PAUSES:
            records = consumer.poll(5_000, PAUSE)
            yield from records
            if at_end(consumer):
                return
            waited = 0 if records else waited + 1
    finally:
        consumer.close()


def in_order(records: Iterable[Record]) -> list[Record]:
    """Records in the order they were written, whatever their partition."""
    return sorted(records, key=lambda record: record.at)


def at_end(consumer: Consumer) -> bool:
    """Say whether all that was in the log at the last poll has been read; False while that is not known."""
    lag = consumer.lag()
    return consumer.position().offsets.keys() <= lag.keys() and not any(lag.values())


def committed(read: Read, topic: str, group: str) -> dict[int, int]:
    """The place a group has reached in a topic, by partition."""
    consumer = read((topic,), group, Position(group=group))
    try:
        return {partition: offset for (_, partition), offset in consumer.committed().offsets.items()}
    finally:
        consumer.close()
