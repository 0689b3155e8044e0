"""A crowd for trials: what its annotators say and when, from a labelled feed: late, out of order and imperfectly.

What an annotator says depends on the seed, the annotator, the query and the output alone, never on time or order.
So a query taken again gets the same answers again.
"""

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from models.messages import Answer, Label, Query
from service.feeds import Entry

Truth = Mapping[str, frozenset[str]]  # by product id: the outputs that are yes


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a crowd answers.

    Args:
        annotators: how many there are, named a-1, a-2, ...
        accuracy: each answer is turned round with probability 1 - accuracy.
        delay: mean seconds from taking a query to its answer, exponentially distributed, so answers change order.
        unsure: share of outputs answered with "unsure".
        skip: share of queries skipped.
        overlap: how many annotators answer the same query.
        seed: another seed, another crowd.

    Raises:
        ValueError: a value out of its range, named.

    """

    annotators: int = 1
    accuracy: float = 1.0
    delay: float = 0.0
    unsure: float = 0.0
    skip: float = 0.0
    overlap: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("accuracy", "unsure", "skip"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a share between 0 and 1, not {getattr(self, name)}")
        if not 0.0 <= self.delay < math.inf:
            raise ValueError(f"delay is a number of seconds from 0 on, not {self.delay}")
        if not 1 <= self.overlap <= self.annotators:
            raise ValueError(
                f"overlap is between 1 and the number of annotators ({self.annotators}), not {self.overlap}"
            )


def truth(entries: Iterable[Entry]) -> dict[str, frozenset[str]]:
    """Collect the labels of a feed by product id; of an id met twice the last counts, without labels it is unknown."""
    return {product.id: labels for product, labels in entries if labels is not None}


def answer(query: Query, positive: frozenset[str] | None, annotator: str, habits: Habits, *, at: float) -> Label:
    """Say what an annotator says to a query; `positive` None, a product nobody knows, is skipped."""
    if positive is None or _uniform(habits.seed, "skip", annotator, query.id)[0] < habits.skip:
        return Label(query=query.id, annotator=annotator, skipped=True, at=at)
    answers: dict[str, Answer] = {}
    for output in query.ask:
        doubt, slip = _uniform(habits.seed, "answer", annotator, query.id, output)
        answers[output] = None if doubt < habits.unsure else (output in positive) == (slip < habits.accuracy)
    return Label(query=query.id, annotator=annotator, answers=answers, at=at)


def chosen(query: str, habits: Habits) -> list[str]:
    """Name the annotators that answer a query: `overlap` of them, each as likely as any other."""
    names = [f"a-{number}" for number in range(1, habits.annotators + 1)]
    return heapq.nsmallest(habits.overlap, names, key=lambda name: _uniform(habits.seed, "choose", name, query))


class Given(NamedTuple):
    """One step of a crowd: the labels given, and how many queries it will never answer."""

    labels: list[Label]
    expired: int
    unknown: int  # labels skipped because the truth does not know the product


class Crowd:
    """The annotators at work. `take` and `withdraw` what the log says, then ask what is `due`."""

    def __init__(self, truth: Truth, habits: Habits) -> None:
        self._truth: Final = truth
        self._habits: Final = habits
        self._open: Final[dict[str, tuple[Query, set[str]]]] = {}  # with those who have yet to answer
        self._agenda: Final[list[tuple[float, str, str]]] = []  # a heap of (when, query, annotator)

    def take(self, query: Query, now: float) -> None:
        """Take a query on; the same one again replaces what is asked, not who answers when."""
        if query.id in self._open:
            self._open[query.id] = (query, self._open[query.id][1])
            return
        annotators = chosen(query.id, self._habits)
        self._open[query.id] = (query, set(annotators))
        for annotator in annotators:
            patience, _ = _uniform(self._habits.seed, "delay", annotator, query.id)
            heapq.heappush(self._agenda, (now - self._habits.delay * math.log1p(-patience), query.id, annotator))

    def withdraw(self, query: str) -> bool:
        """Drop a query; answers already given stay. Tell whether it was open."""
        return self._open.pop(query, None) is not None

    def due(self, now: float) -> Given:
        """Give the answers whose time has come, in the order of their times; an expired query gets none any more."""
        labels: list[Label] = []
        expired = unknown = 0
        while self._agenda and self._agenda[0][0] <= now:
            _, name, annotator = heapq.heappop(self._agenda)
            query, outstanding = self._open.get(name, (None, set[str]()))
            if query is None or annotator not in outstanding:  # withdrawn or expired meanwhile
                continue
            if query.expires_at <= now:
                expired += 1
                del self._open[name]
                continue
            positive = self._truth.get(query.product.id)
            labels.append(answer(query, positive, annotator, self._habits, at=now))
            unknown += positive is None
            outstanding.discard(annotator)
            if not outstanding:
                del self._open[name]
        return Given(labels, expired, unknown)

    def waits_for(self, query: str) -> bool:
        """Whether answers to this query are still to come."""
        return query in self._open

    def __len__(self) -> int:
        """How many queries are open."""
        return len(self._open)

    def next(self) -> float | None:
        """When the next answer falls due; None if there is none."""
        return self._agenda[0][0] if self._agenda else None


def _uniform(seed: int, *parts: str) -> tuple[float, float]:
    """Two independent draws from [0, 1), the same for the same arguments on every machine."""
    text = "\0".join((str(seed), *parts)).encode()
    digest = int.from_bytes(blake2b(text, digest_size=16).digest(), "big")
    return (digest >> 75) / 2**53, (digest & (2**53 - 1)) / 2**53
