"""Replaying a feed: its products are published as if they came in now; its labels stay behind."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from models.coding import MAX_BYTES, encode
from models.records import Outgoing
from producers.port import Producer
from service.feeds import BadFeed, Entry

BATCH: Final = 500  # products published at once, at most
BATCH_BYTES: Final = 4 * MAX_BYTES
BURST: Final = 0.1  # seconds' worth of products published at once when paced
COMPLAINTS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How far a replay has come; all counts are since its start."""

    sent: int = 0
    skipped: int = 0
    bytes: int = 0  # of the products sent, encoded
    complaints: tuple[str, ...] = ()  # why lines were skipped: the first COMPLAINTS of them


def replay(
    feed: Iterable[Entry | BadFeed],
    producer: Producer,
    *,
    rate: float | None,
    limit: int | None,
    clock: Callable[[], float],
    sleep: Callable[[float], object],
) -> Iterator[Replayed]:
    """Publish the products of a feed in its order, and yield how far it is after each batch.

    What was yielded as sent is in the log for good. Products go out in MessagePack with their id as key, without
    labels and otherwise as the feed has them, so that the same feed always makes the same records. Bad lines, and
    products larger than the service takes, are skipped and counted. The last value yielded, if any, is the whole count.

    Args:
        feed: entries, and bad lines if they are to be skipped (`read_lines`); `read_products` stops at the first.
        producer: where to publish.
        rate: products per second on average since the start, so a stall is caught up with; None sends without pause.
        limit: most products sent; None sends all.
        clock: seconds from any start, never going back.
        sleep: waits so many seconds.

    Raises:
        DeliveryFailed: of the batch after the last one yielded, nothing or all is in the log.
        BadFeed: from the feed.

    """
    most = BATCH if rate is None else max(1, min(BATCH, int(rate * BURST)))
    entries, start, done = iter(feed), clock(), Replayed()
    while limit is None or done.sent < limit:
        batch, complaints = _gather(entries, most if limit is None else min(most, limit - done.sent))
        if rate is not None and batch:
            sleep(max(0.0, start + done.sent / rate - clock()))
        if batch:
            producer.publish(batch, past=None)
        elif not complaints:
            break
        done = Replayed(
            sent=done.sent + len(batch),
            skipped=done.skipped + len(complaints),
            bytes=done.bytes + sum(_size(record) for record in batch),
            complaints=(*done.complaints, *complaints)[:COMPLAINTS],
        )
        yield done


def _gather(entries: Iterator[Entry | BadFeed], most: int) -> tuple[list[Outgoing], list[str]]:
    batch: list[Outgoing] = []
    complaints: list[str] = []
    size = 0
    for entry in entries:
        record = _outgoing(entry)
        if isinstance(record, str):
            complaints.append(record)
        else:
            batch.append(record)
            size += _size(record)
        if len(batch) + len(complaints) >= most or size >= BATCH_BYTES:
            break
    return batch, complaints


def _outgoing(entry: Entry | BadFeed) -> Outgoing | str:
    if isinstance(entry, BadFeed):
        return str(entry)
    value = encode(entry.product)
    if len(value) > MAX_BYTES:
        return f"product {entry.product.id[:60]}: {len(value)} bytes encoded; at most {MAX_BYTES} are taken"
    return Outgoing("products", entry.product.id.encode(), value)


def _size(record: Outgoing) -> int:
    return len(record.value or b"")
