"""Annotators for trials, on the log: queries in, labels out."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import Final

from consumers.port import Consumer
from models.coding import MAX_BYTES, Malformed, encode, read
from models.messages import Query
from models.records import Outgoing, Record
from producers.port import Producer
from service.crowd import Crowd, Given

MOST: Final = 500  # queries taken at once
PAUSE: Final = 0.2
BREATH: Final = 0.05  # seconds; answers falling due within it are published together
MAX_QUERY_BYTES: Final = 2 * MAX_BYTES  # a query holds a whole product and more

Place = tuple[str, int]  # topic, partition
Taken = dict[Place, deque[tuple[int, str]]]  # offset and query, in log order


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """What annotators have done since they started."""

    queries: int = 0  # taken on; one that comes again counts again
    labels: int = 0
    answers: int = 0  # yes, no or unsure, over all labels
    skipped: int = 0
    unknown: int = 0  # of those skipped: the truth does not know the product
    withdrawn: int = 0
    expired: int = 0
    malformed: int = 0  # records that are not queries
    open: int = 0  # now


def annotate(
    consumer: Consumer,
    producer: Producer,
    crowd: Crowd,
    *,
    stop: Event,
    clock: Callable[[], float],
    idle: float | None = None,
    pause: float = PAUSE,
) -> Iterator[Annotated]:
    """Answer the queries of a log until told to stop, and yield the counts after each step that changed them.

    Labels are published together with a position that lies before the oldest query still to be answered. So no query
    is lost when the annotators stop or die: the next ones of the group take it on again. Queries after the oldest one
    may then be answered a second time, with the same answers by the same annotators, which changes nothing.

    Args:
        consumer: of the topic `queries`, in a group of the annotators' own.
        producer: where labels go.
        crowd: who answers, and how.
        stop: ends it after the current step.
        clock: seconds since the epoch.
        idle: also end after so many seconds without a query coming in or an answer being due; None never does.
        pause: seconds waited for queries in one step, at most.

    Raises:
        LogUnavailable, DeliveryFailed: as the port has them; open both again and go on with a new crowd.

    """
    taken: Taken = {}
    done = Annotated()
    published: Mapping[Place, int] = {}
    busy = clock()
    while not stop.is_set():
        due = crowd.next()
        records = consumer.poll(MOST, pause if due is None else min(pause, max(BREATH, due - clock())))
        position = consumer.position()
        now = clock()
        before, done = done, _take(records, crowd, taken, done, now)
        given = crowd.due(now)
        past = replace(position, offsets=_before_open(position.offsets, taken, crowd))
        if given.labels or past.offsets != published:
            producer.publish([Outgoing("labels", label.query.encode(), encode(label)) for label in given.labels], past)
            published = past.offsets
        done = _count(done, given, len(crowd))
        if done != before:
            yield done
        if records or len(crowd):
            busy = now
        elif idle is not None and now - busy >= idle:
            return


def _take(records: list[Record], crowd: Crowd, taken: Taken, done: Annotated, now: float) -> Annotated:
    queries = withdrawn = malformed = 0
    for record in records:
        if record.value is None:
            withdrawn += crowd.withdraw((record.key or b"").decode(errors="replace"))
            continue
        try:
            query = read(Query, record, limit=MAX_QUERY_BYTES)
        except Malformed:
            malformed += 1
            continue
        crowd.take(query, now)
        taken.setdefault((record.topic, record.partition), deque()).append((record.offset, query.id))
        queries += 1
    return replace(
        done,
        queries=done.queries + queries,
        withdrawn=done.withdrawn + withdrawn,
        malformed=done.malformed + malformed,
    )


def _before_open(offsets: Mapping[Place, int], taken: Taken, crowd: Crowd) -> dict[Place, int]:
    """Draw each partition's offset back to its first open query, and forget those before that one."""
    for queue in taken.values():
        while queue and not crowd.waits_for(queue[0][1]):
            queue.popleft()
    first = {place: queue[0][0] for place, queue in taken.items() if queue}
    return {place: first.get(place, offset) for place, offset in offsets.items()}


def _count(done: Annotated, given: Given, open_: int) -> Annotated:
    return replace(
        done,
        labels=done.labels + len(given.labels),
        answers=done.answers + sum(len(label.answers) for label in given.labels),
        skipped=done.skipped + sum(label.skipped for label in given.labels),
        unknown=done.unknown + given.unknown,
        expired=done.expired + given.expired,
        open=open_,
    )
