"""Epochs of evaluation, and what their sums take from a query."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.messages import Query
from models.sums import Sums, of_answers, unpack


class Epoch(NamedTuple):
    """A stretch of arrivals that is evaluated by itself."""

    number: int
    reason: str
    at: float  # seconds since 1970; arrivals scored from then on belong to it
    outputs: tuple[str, ...]
    guess: NDArray[np.float64]  # (2, K) of the variance, from before
    floor: float  # least chance of asking; 0 while no query is known, and nothing can be said
    n: int  # arrivals evaluated
    asked: int  # of them
    lost: int  # of those asked about: the query never came to the ledger
    sums: Sums


class Asked(NamedTuple):
    """What the sums need of one query."""

    query: Query
    shares: Mapping[str, float]


def as_epoch(
    number: int,
    reason: str,
    at: float,
    outputs: bytes,
    guess: bytes,
    floor: float,
    n: int,
    asked: int,
    lost: int,
    sums: bytes,
) -> Epoch:
    """An epoch from a row of the ledger."""
    names = msgspec.msgpack.decode(outputs, type=tuple[str, ...])
    return Epoch(
        number, reason, at, names, np.frombuffer(guess, "<f8").reshape(2, -1), floor, n, asked, lost,
        unpack(sums, len(names)),
    )  # fmt: skip


def summed(asked: Sequence[Asked], outputs: Sequence[str]) -> Sums:
    """The part of some queries in the sums."""
    place = {name: k for k, name in enumerate(outputs)}
    shape = (len(asked), len(outputs))
    chance, shares = np.full(shape, np.nan), np.full(shape, np.nan)
    scores, positive = np.zeros(shape), np.zeros(shape, np.bool_)
    for row, (query, said) in enumerate(asked):
        columns = [place[name] for name in query.ask if name in place]
        chance[row, columns] = (
            query.chance if isinstance(query.chance, float) else [query.chance[outputs[k]] for k in columns]
        )
        scores[row] = np.frombuffer(query.scores, "<f4")
        positive[row, [place[name] for name in query.positive if name in place]] = True
        for k in columns:
            shares[row, k] = said.get(outputs[k], np.nan)
    return of_answers(chance, scores, positive, shares)
