"""The audit: every decision in the log is made again and compared."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.stats import kstest

from models.chance import draw, query_id
from models.coding import Malformed, read
from models.messages import Prediction, Query, Rejection
from models.records import Record
from service.reading import Read, committed, read_topic

PREDICTED, ASKED, REJECTED, QUERIED = 1, 2, 4, 8
MOST_PROBLEMS = 100
LARGEST = 64_000_000
SUSPICIOUS = 1e-6  # p-value of uniform draws below which the draws are not believed
PAGE_BITS: Final = 16  # of an offset: how many marks lie together
PLACE: Final = re.compile(r"products/(0|[1-9][0-9]{0,8})/(0|[1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What an audit found; clean if there are no problems."""

    arrivals: int
    predicted: int
    rejected: int
    asked: int
    queries: int
    uniform: float  # p-value of the Kolmogorov-Smirnov test of the draws
    least: float  # smallest chance seen
    found: int  # problems, all of them
    problems: tuple[str, ...]  # the first MOST_PROBLEMS


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a prediction says of an arrival that is asked about."""

    chance: float
    draw: float
    at: float


@dataclass(slots=True)
class _Books:
    """One byte of marks per arrival, in pages by partition, and what was found wrong."""

    pages: defaultdict[tuple[int, int], bytearray] = field(
        default_factory=lambda: defaultdict(lambda: bytearray(1 << PAGE_BITS))
    )
    draws: list[float] = field(default_factory=list)
    asked: dict[str, _Asked] = field(default_factory=dict)
    least: float = 1.0
    since: defaultdict[str, float] = field(default_factory=lambda: defaultdict(lambda: -math.inf))  # see _messages
    problems: list[str] = field(default_factory=list)
    found: int = 0

    def complain(self, problem: str) -> None:
        self.found += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def mark(self, arrival: str, bit: int, what: str) -> None:
        place = PLACE.fullmatch(arrival)
        if place is None:
            self.complain(f"{arrival}: no place of a product")
            return
        partition, offset = int(place[1]), int(place[2])
        page, at = self.pages[partition, offset >> PAGE_BITS], offset & ((1 << PAGE_BITS) - 1)
        if page[at] & bit:
            self.complain(f"{arrival}: {what} twice")
        page[at] |= bit

    def marks(self, partition: int, offset: int) -> int:
        page = self.pages.get((partition, offset >> PAGE_BITS))
        return 0 if page is None else page[offset & ((1 << PAGE_BITS) - 1)]

    def all_marks(self) -> Iterator[tuple[int, int, np.ndarray[tuple[int], np.dtype[np.uint8]]]]:
        """Partition, first offset and marks of each page, in order."""
        for (partition, number), page in sorted(self.pages.items()):
            yield partition, number << PAGE_BITS, np.frombuffer(page, np.uint8)

    def count(self, bit: int) -> int:
        return sum(int(np.count_nonzero(marks & bit)) for _, _, marks in self.all_marks())


def audit(
    read_log: Read, *, key: bytes, stream: str, p_min: float, group: str, tick: Callable[[int], object] = lambda _: None
) -> Audited:
    """Recompute every draw and check every decision and its traces in the log.

    Checked: the draw is that of the key; asked iff draw < chance; the chance lies in [p_min, 1]; a query exists iff
    asked, under the right id and with the same chance; every product the scorers are past has one prediction or one
    rejection, and none that they are not past; the draws are uniform (Kolmogorov-Smirnov). What the log has forgotten
    by age or size is not missed. The service may be running.

    Args:
        read_log: opens a reader of the log.
        key: secret of the draws.
        stream: name of the stream.
        p_min: smallest chance allowed.
        group: the scorers' consumer group.
        tick: told the number of records read since the last call.

    """
    books = _Books()
    past = committed(read_log, "products", group)
    _check_predictions(read_log, books, key, stream, p_min, tick)
    _check_rejections(read_log, books)
    _check_queries(read_log, books, stream)
    arrivals = _check_products(read_log, books, past, tick)
    _check_marks(books, committed(read_log, "products", group))
    uniform = float(kstest(books.draws, "uniform").pvalue) if books.draws else 1.0
    if uniform < SUSPICIOUS:
        books.complain(f"the draws are not uniform: p = {uniform:.2g} of {len(books.draws)} draws")
    return Audited(
        arrivals=arrivals,
        predicted=books.count(PREDICTED),
        rejected=books.count(REJECTED),
        asked=books.count(ASKED),
        queries=books.count(QUERIED),
        uniform=uniform,
        least=books.least,
        found=books.found,
        problems=tuple(books.problems),
    )


def _messages(read_log: Read, topic: str, kind: type, books: _Books) -> Iterator[tuple[Record, object]]:
    """Yield a topic's messages; note in `books.since` the time up to which the log may have forgotten some."""
    partitions: set[int] = set()
    for record in read_topic(read_log, topic):
        if record.partition not in partitions:
            partitions.add(record.partition)
            if record.offset > 0:
                books.since[topic] = max(books.since[topic], record.at)
        if record.value is None:
            continue
        try:
            yield record, read(kind, record, limit=LARGEST)
        except Malformed as error:
            books.complain(f"{record.arrival}: not a {kind.__name__.lower()}: {error}")


def _check_predictions(
    read_log: Read, books: _Books, key: bytes, stream: str, p_min: float, tick: Callable[[int], object]
) -> None:
    for record, said in _messages(read_log, "predictions", Prediction, books):
        assert isinstance(said, Prediction)
        tick(1)
        books.draws.append(said.draw)
        books.least = min(books.least, said.chance)
        books.mark(said.arrival, PREDICTED, "predicted")
        if said.draw != (expected := draw(key, stream, said.arrival)):
            books.complain(f"{said.arrival}: draw {said.draw} is not that of the key, {expected}")
        if said.asked != (said.draw < said.chance):
            books.complain(f"{said.arrival}: asked is {said.asked} with draw {said.draw} and chance {said.chance}")
        if not p_min <= said.chance <= 1.0:
            books.complain(f"{said.arrival}: chance {said.chance} is outside [{p_min}, 1]")
        if said.asked:
            books.mark(said.arrival, ASKED, "asked")
            books.asked[said.arrival] = _Asked(said.chance, said.draw, record.at)


def _check_rejections(read_log: Read, books: _Books) -> None:
    for _, said in _messages(read_log, "rejections", Rejection, books):
        assert isinstance(said, Rejection)
        if said.topic == "products":
            books.mark(f"{said.topic}/{said.partition}/{said.offset}", REJECTED, "rejected")


def _check_queries(read_log: Read, books: _Books, stream: str) -> None:
    missing = dict(books.asked)
    for _, query in _messages(read_log, "queries", Query, books):
        assert isinstance(query, Query)
        books.mark(query.arrival, QUERIED, "asked about")
        if query.id != query_id(stream, query.arrival):
            books.complain(f"{query.arrival}: its query has the id {query.id}, not the one of its arrival")
        if (asked := missing.pop(query.arrival, None)) is not None:
            _check_chances(query, asked, books)
    for arrival, asked in missing.items():
        if asked.at > books.since["queries"]:
            books.complain(f"{arrival}: asked, but there is no query")


def _check_chances(query: Query, asked: _Asked, books: _Books) -> None:
    # The output with the largest chance is always asked first, and a product's chance is that one.
    single = query.chance if isinstance(query.chance, float) else max(query.chance.values(), default=0.0)
    if single != asked.chance:
        books.complain(f"{query.arrival}: its query says chance {single}, its prediction {asked.chance}")
    if isinstance(query.chance, float):
        return
    if sorted(query.ask) != sorted(query.chance):
        books.complain(f"{query.arrival}: its query asks other outputs than those it has chances for")
    for output, chance in query.chance.items():
        if asked.draw >= chance:
            books.complain(f"{query.arrival}: asks {output} at chance {chance} with draw {asked.draw}")


def _check_products(read_log: Read, books: _Books, past: dict[int, int], tick: Callable[[int], object]) -> int:
    arrivals = 0
    forgotten = max(books.since["predictions"], books.since["rejections"])
    for record in read_topic(read_log, "products"):
        tick(1)
        if record.offset >= past.get(record.partition, 0):
            continue
        arrivals += 1
        seen = books.marks(record.partition, record.offset) & (PREDICTED | REJECTED)
        if seen == 0 and record.at > forgotten:
            books.complain(f"{record.arrival}: neither predicted nor rejected, though the scorers are past it")
    return arrivals


def _check_marks(books: _Books, past: dict[int, int]) -> None:
    for partition, start, marks in books.all_marks():
        end = past.get(partition, 0)
        said, asked, queried = marks & (PREDICTED | REJECTED), marks & ASKED, marks & QUERIED
        for problem, where in (
            ("both predicted and rejected", said == PREDICTED | REJECTED),
            ("has a query though it was not asked about", (queried != 0) & (asked == 0) & (said != 0)),
            ("in the log though the scorers are not past it", marks[max(0, end - start) :] != 0),
        ):
            first = start + len(marks) - len(where)
            for place in np.flatnonzero(where).tolist():
                books.complain(f"products/{partition}/{first + place}: {problem}")
