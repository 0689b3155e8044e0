"""The coins of a served stream thrown again, many times side by side."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from proof_served import BATCH, DELAY, SHARE, Doubles, Served

from models.chance import rise
from models.confidence import bound, tuned
from models.estimates import FIRST_GUESS

ALPHA: Final = 0.05
STEPS: Final = 40_000  # of the table of bounds
KEPT: Final = 12  # batches whose coins are remembered
RHO: Final = tuned(FIRST_GUESS, ALPHA / 4)
Rule = Callable[["Served", int, list[NDArray[np.bool_]]], Iterator[tuple[int, int, Doubles]]]


@dataclass
class Replays:
    """Many replays of one stream side by side: (2, K, runs), decided positive first, decided negative second."""

    off: Doubles  # estimate minus truth
    variance: Doubles
    design: Doubles  # the variance as the draws alone make it
    expected: Doubles  # (2, K) the variance of `off`, exactly, as the chances make it
    yes: Doubles
    no: Doubles
    missed: NDArray[np.bool_]  # the truth was outside the bounds after some arrival
    peeked: NDArray[np.bool_]  # it was outside a normal interval after some arrival
    labels: Doubles  # (runs,)


def by_product(served: Served, runs: int, asked: list[NDArray[np.bool_]]) -> Iterator[tuple[int, int, Doubles]]:
    """Chances (batch, 1, runs) of each batch; they depend on the coins in `asked`, which grows by one per batch."""
    outputs = served.scores.shape[1]
    scale, errors = np.ones(runs), np.ones((outputs, runs))
    answers = np.full(runs, 20.0)
    for number, (start, stop) in enumerate(batches(served)):
        for old, coins in late(number, asked):
            # Outputs that were found wrong more often count for more.
            errors += wrong(served, old).T @ coins[:, 0]
            answers += coins[:, 0].sum(axis=0)
        importance = errors / answers
        strength = np.sqrt(served.disagreement[start:stop] ** 2 @ importance / importance.sum(axis=0))
        yield start, stop, rise(served.floor, scale, strength)[:, None]
        scale *= np.exp(0.2 * (SHARE - asked[number].mean(axis=(0, 1))) / SHARE)


def by_output(served: Served, runs: int, asked: list[NDArray[np.bool_]]) -> Iterator[tuple[int, int, Doubles]]:
    """Chances (batch, K, runs): outputs asked one by one, each at the same share of all arrivals."""
    scale = np.ones((served.scores.shape[1], runs))
    for number, (start, stop) in enumerate(batches(served)):
        strength = served.disagreement[start:stop, :, None]
        yield start, stop, rise(served.floor, scale, strength)
        spent = asked[number].mean(axis=0)
        scale = np.clip(scale * np.exp(0.2 * (SHARE - spent) / SHARE), 1e-4, 1e4)


def uniform(served: Served, runs: int, asked: list[NDArray[np.bool_]]) -> Iterator[tuple[int, int, Doubles]]:
    """The same chance for all, by product."""
    del asked
    for start, stop in batches(served):
        yield start, stop, np.full((stop - start, 1, runs), SHARE)


def batches(served: Served) -> Iterator[tuple[int, int]]:
    n = len(served.scores)
    return ((start, min(n, start + BATCH)) for start in range(0, n, BATCH))


def late(number: int, asked: list[NDArray[np.bool_]]) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """The batch whose answers are in just now, if there is one."""
    old = number + DELAY // -BATCH - 1
    if old >= 0:
        yield old, asked[old]


def wrong(served: Served, batch: int) -> Doubles:
    rows = slice(batch * BATCH, (batch + 1) * BATCH)
    return (served.truth[rows] != served.positive[rows]).astype(np.float64)


def replay(
    served: Served,
    runs: int,
    seed: int,
    *,
    rule: Rule = by_product,
    clipped: float | None = None,
    scored: bool = True,
    watched: bool = True,
) -> Replays:
    """Throw the coins of `runs` replays; `scored=False` estimates without the score as baseline."""
    outputs = served.scores.shape[1]
    random = np.random.default_rng(seed)
    zeros = np.zeros((2, outputs, runs))
    found = Replays(
        off=zeros.copy(), variance=zeros.copy(), design=zeros.copy(), expected=zeros[:, :, 0].copy(), yes=zeros.copy(),
        no=zeros.copy(), missed=zeros > 1, peeked=zeros > 1, labels=np.zeros(runs),
    )  # fmt: skip
    tables, step = bounds_table(1.0 / (SHARE if rule is uniform else served.floor))
    asked: list[NDArray[np.bool_]] = []
    for start, stop, p in rule(served, runs, asked):
        coins = random.random((stop - start, 1, runs)) < p  # one draw per arrival, so that outputs nest
        asked.append(coins)
        if len(asked) > KEPT:
            asked[-KEPT - 1] = np.zeros((0, 1, runs), np.bool_)
        found.labels += coins.mean(axis=1).sum(axis=0)
        for i in range(start, stop):
            weight = np.where(coins[i - start], 1.0 / p[i - start], 0.0)
            weight = weight if clipped is None else np.minimum(weight, clipped)
            truth = served.truth[i].astype(np.float64)
            error = truth - served.scores[i] if scored else truth
            odds = np.broadcast_to((1.0 / p[i - start] - 1.0).mean(axis=1), (outputs,))
            for side, rows in enumerate((np.flatnonzero(served.positive[i]), np.flatnonzero(~served.positive[i]))):
                if not len(rows):
                    continue
                some, own = error[rows, None], weight if len(weight) == 1 else weight[rows]
                coin = coins[i - start] if len(weight) == 1 else coins[i - start][rows]
                found.off[side, rows] += some * (own - 1.0)
                found.expected[side, rows] += error[rows] ** 2 * odds[rows]
                found.variance[side, rows] += some**2 * own**2
                found.yes[side, rows] += truth[rows, None] * coin
                found.no[side, rows] += (1.0 - truth[rows, None]) * coin
                if watched:
                    found.design[side, rows] += some**2 * own * np.maximum(own - 1.0, 0.0)
                    off = np.abs(found.off[side, rows])
                    place = np.minimum(
                        (np.sqrt(found.variance[side, rows]) / step).astype(np.int64), tables.shape[1] - 1
                    )
                    found.missed[side, rows] |= off > tables[side, place]
                    if i >= 1_000:
                        found.peeked[side, rows] |= off > 1.96 * np.sqrt(found.design[side, rows])
    return found


def bounds_table(reach: float, step: float = 0.05) -> tuple[Doubles, float]:
    """Bounds at steps of the root of the variance; looking up the step below makes them a little too narrow."""
    variance = (np.arange(STEPS) * step) ** 2
    return bound(variance, reach, RHO[:, None], ALPHA / 4), step
