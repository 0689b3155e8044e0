"""The audit: every decision in the log is made again and compared."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import kstest

from models.chance import draw, query_id
from models.messages import Malformed, Prediction, Query, Rejection, read
from service.reading import Read, committed, read_topic

PREDICTED, ASKED, REJECTED, QUERIED = 1, 2, 4, 8
MOST_PROBLEMS = 100
LARGEST = 64_000_000
SUSPICIOUS = 1e-6  # p-value of uniform draws below which the draws are not believed


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


@dataclass(slots=True)
class _Books:
    """One byte of marks per arrival, by topic and partition, and what was found wrong."""

    marks: defaultdict[tuple[str, int], bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    draws: list[float] = field(default_factory=list)
    chances: dict[str, float] = field(default_factory=dict)  # of asked arrivals only
    problems: list[str] = field(default_factory=list)
    found: int = 0

    def complain(self, problem: str) -> None:
        self.found += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def mark(self, arrival: str, bit: int, what: str) -> None:
        topic, partition, offset = arrival.rsplit("/", 2)
        marks, place = self.marks[topic, int(partition)], int(offset)
        if place >= len(marks):
            marks.extend(bytes(place + 1 - len(marks)))
        if marks[place] & bit:
            self.complain(f"{arrival}: {what} twice")
        marks[place] |= bit


def audit(
    read_log: Read, *, key: bytes, stream: str, p_min: float, group: str, tick: Callable[[int], object] = lambda _: None
) -> Audited:
    """Recompute every draw and check every decision and its traces in the log.

    Checked: the draw is that of the key; asked iff draw < chance; the chance lies in [p_min, 1]; a query exists iff
    asked, under the right id and with the same chance; every product the scorers are past has one prediction or one
    rejection; the draws are uniform (Kolmogorov-Smirnov).

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
    marks = np.concatenate([np.frombuffer(m, np.uint8) for m in books.marks.values()] or [np.zeros(0, np.uint8)])
    unasked = np.flatnonzero((marks & (PREDICTED | ASKED | QUERIED)) == (PREDICTED | QUERIED)).size
    if unasked:
        books.complain(f"{unasked} arrivals have a query though they were not asked about")
    uniform = float(kstest(books.draws, "uniform").pvalue) if books.draws else 1.0
    if uniform < SUSPICIOUS:
        books.complain(f"the draws are not uniform: p = {uniform:.2g} of {len(books.draws)} draws")
    return Audited(
        arrivals=arrivals,
        predicted=int(np.count_nonzero(marks & PREDICTED)),
        rejected=int(np.count_nonzero(marks & REJECTED)),
        asked=int(np.count_nonzero(marks & ASKED)),
        queries=int(np.count_nonzero(marks & QUERIED)),
        uniform=uniform,
        least=_least(books),
        found=books.found,
        problems=tuple(books.problems),
    )


def _least(books: _Books) -> float:
    return min(books.chances.values(), default=1.0)


def _messages(read_log: Read, topic: str, kind: type, books: _Books) -> Iterator[tuple[str, object]]:
    for record in read_topic(read_log, topic):
        if record.value is None:
            continue
        try:
            yield record.arrival, read(kind, record, limit=LARGEST)
        except Malformed as error:
            books.complain(f"{record.arrival}: not a {kind.__name__.lower()}: {error}")


def _check_predictions(
    read_log: Read, books: _Books, key: bytes, stream: str, p_min: float, tick: Callable[[int], object]
) -> None:
    for _, said in _messages(read_log, "predictions", Prediction, books):
        assert isinstance(said, Prediction)
        tick(1)
        expected = draw(key, stream, said.arrival)
        books.draws.append(expected)
        books.mark(said.arrival, PREDICTED, "predicted")
        if said.draw != expected:
            books.complain(f"{said.arrival}: draw {said.draw} is not that of the key, {expected}")
        if said.asked != (said.draw < said.chance):
            books.complain(f"{said.arrival}: asked is {said.asked} with draw {said.draw} and chance {said.chance}")
        if not p_min <= said.chance <= 1.0:
            books.complain(f"{said.arrival}: chance {said.chance} is outside [{p_min}, 1]")
        if said.asked:
            books.mark(said.arrival, ASKED, "asked")
            books.chances[said.arrival] = said.chance


def _check_rejections(read_log: Read, books: _Books) -> None:
    for _, said in _messages(read_log, "rejections", Rejection, books):
        assert isinstance(said, Rejection)
        if said.topic == "products":
            books.mark(f"{said.topic}/{said.partition}/{said.offset}", REJECTED, "rejected")


def _check_queries(read_log: Read, books: _Books, stream: str) -> None:
    missing = dict(books.chances)
    for _, query in _messages(read_log, "queries", Query, books):
        assert isinstance(query, Query)
        books.mark(query.arrival, QUERIED, "asked about")
        if query.id != query_id(stream, query.arrival):
            books.complain(f"{query.arrival}: its query has the id {query.id}, not the one of its arrival")
        chance = query.chance if isinstance(query.chance, float) else max(query.chance.values(), default=0.0)
        expected = missing.pop(query.arrival, None)
        if expected is not None and chance > expected:
            books.complain(f"{query.arrival}: its query says chance {chance}, its prediction {expected}")
    for arrival in missing:
        books.complain(f"{arrival}: asked, but there is no query")


def _check_products(read_log: Read, books: _Books, past: dict[int, int], tick: Callable[[int], object]) -> int:
    arrivals = 0
    for record in read_topic(read_log, "products"):
        tick(1)
        if record.offset >= past.get(record.partition, 0):
            continue
        arrivals += 1
        marks = books.marks[record.topic, record.partition]
        seen = marks[record.offset] & (PREDICTED | REJECTED) if record.offset < len(marks) else 0
        if seen == 0:
            books.complain(f"{record.arrival}: neither predicted nor rejected, though the scorers are past it")
        elif seen == PREDICTED | REJECTED:
            books.complain(f"{record.arrival}: both predicted and rejected")
    return arrivals
