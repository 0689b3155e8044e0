"""What a doubling of the labels gained, output by output: mistakes avoided, with bounds.

A mistake is a decision that is not the answer. Over a stretch of arrivals their number is `PP - TP + FN`, estimated as
everywhere else by the scores of all arrivals, corrected by the weighted errors of the scores where an answer is known
(AIPW). Two stretches, the second with weight N1/N2, make one sum, and the bound of `models.confidence` holds for it.
"""

import numpy as np

from models.confidence import bound, tuned
from models.estimates import AHEAD, LEAST_FLOOR, Doubles, Interval, answered_shares, guesses
from models.sums import SIDES, Sums

PER = 1_000.0  # arrivals


def avoided(first: Sums, second: Sums, *, past: Sums, floor: float, alpha: float, lost: float = 0.0) -> Interval:
    """Mistakes per 1,000 arrivals that were made in the first stretch and no longer in the second; (K,) each.

    Args:
        first: of at least one arrival, as `second`.
        second: of arrivals that were scored later.
        past: of the arrivals before both; bounds are tuned by it, and hold whatever it is.
        floor: the least chance with which any arrival was asked about.
        alpha: the chance that for one output the truth is outside.
        lost: share of all queries that never reached the ledger.

    """
    n, later = first.of("arrivals"), second.of("arrivals")
    ratio = n / later
    shares = [answered_shares(stretch, lost) for stretch in (first, second)]
    estimate = _mistakes(first, shares[0]) - ratio * _mistakes(second, shares[1])
    spread = _spread(first, shares[0]) + ratio**2 * _spread(second, shares[1])
    reach = np.maximum(1.0, ratio) / (max(floor, LEAST_FLOOR) * np.min(shares, axis=(0, 1)))
    expected = guesses(past).sum(axis=0) / AHEAD * (n + ratio**2 * later)
    wide = bound(spread, reach, tuned(expected, alpha / 2.0), alpha / 2.0)
    return Interval(*(np.clip(PER * value / n, -PER, PER) for value in (estimate, estimate - wide, estimate + wide)))


def _mistakes(sums: Sums, shares: Doubles) -> Doubles:
    true, missed = (
        sums.of(f"mass_{side}") + sums.of(f"correction_{side}") / share
        for side, share in zip(SIDES, shares, strict=True)
    )
    total: Doubles = sums.of("positive") - true + missed
    return total


def _spread(sums: Sums, shares: Doubles) -> Doubles:
    squares = np.stack([sums.of(f"variance_{side}") for side in SIDES])
    total: Doubles = (squares / shares**2).sum(axis=0)
    return total
