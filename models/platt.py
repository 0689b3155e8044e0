"""Scores to probabilities: per output `expit(slope * logit + shift)`, and the threshold that suits a probability.

Outputs share what they have in common: a pool fits one slope and a shift that is linear in the prevalence, and each
output departs from it as far as its own answers say so (Platt 1999; the shrinkage is a Gaussian prior around the pool).
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.table import Floats

Doubles = NDArray[np.float64]

_OVERFLOW: Final = 80.0  # logits beyond it are as good as certain
_LEAST: Final = 1e-30  # probability
_CERTAIN: Final = 2.0**-24
_TOGETHER: Final = 4  # odds whose product single precision can hold, each as certain as may be
_SLOPES: Final = (0.2, 5.0)  # above 0, so that an output's ranking stays
_POOL_PRIOR: Final = np.array([10.0, 1.0, 10.0])  # precision of slope, shift and shift by prevalence around 1, 0, 0
_OWN_PRIOR: Final = np.array([20.0, 2.0])  # precision of an output's slope and shift around the pool's
_ITERATIONS: Final = 12
_STEP: Final = 0.7  # largest of one iteration
_ENOUGH: Final = 1e-3  # a last step this small leaves errors of its square
_BINS: Final = 64  # of the probabilities up to one half
_EVIDENCE: Final = 2.0  # positives that the default threshold is worth


class Scaling(NamedTuple):
    """What turns logits into calibrated ones."""

    slope: Doubles  # (K,) above 0
    shift: Doubles  # (K,)

    def probabilities(self, logits: Floats) -> Floats:
        """Calibrated probabilities (n, K)."""
        return expit(self.slope.astype(np.float32) * logits + self.shift.astype(np.float32))


def expit(logits: Floats) -> Floats:
    """One over one plus the exponential of minus."""
    bounded = np.clip(logits, np.float32(-_OVERFLOW), np.float32(_OVERFLOW))
    probabilities: Floats = np.float32(1.0) / (np.float32(1.0) + np.exp(-bounded))
    return probabilities


def pooled(members: Floats) -> Floats:
    """One logit (n, K) for what members (n, K, M) say: the mean of theirs (the logarithmic opinion pool).

    A mean of probabilities is that of the loudest; this one ranks products as most members do. Probabilities count as
    at least 2**-24 from 0 and 1, so that one member that is certain does not overrule the others.
    """
    n, outputs, size = members.shape
    odds, within = np.empty((-(-size // _TOGETHER), n, outputs), np.float32), np.empty((2, outputs), np.float32)
    _multiply(by_member(members), within, odds)
    sums = np.zeros((n, outputs), np.float32)
    for some in odds:
        sums += np.log(some)
    return sums / np.float32(size)


@compiled("f4[,,]", "f4[,]=", "f4[,,]=")
def _multiply(members: Floats, within: Floats, odds: Floats) -> None:
    """Write the product of the odds of a few members after each other."""
    least, most, one = np.float32(_CERTAIN), np.float32(1.0 - _CERTAIN), np.float32(1.0)
    for part in range(odds.shape[0]):
        for i in range(odds.shape[1]):
            within[:] = one
            for member in range(part * _TOGETHER, min(members.shape[1], (part + 1) * _TOGETHER)):
                for k in range(odds.shape[2]):
                    said = members[i, member, k]
                    said = max(said, least)
                    said = min(said, most)
                    within[0, k] *= said
                    within[1, k] *= one - said
            for k in range(odds.shape[2]):
                odds[part, i, k] = within[0, k] / within[1, k]


def by_member(members: Floats) -> Floats:
    """The same (n, M, K), in this order in memory; not copied if a snapshot has said it."""
    return np.ascontiguousarray(members.transpose(0, 2, 1))


def logit(probabilities: Floats) -> Floats:
    """The inverse of `expit`, as far as 32 bits tell probabilities from 0 and 1."""
    inside = np.clip(probabilities, np.float32(_LEAST), np.float32(1.0 - 2.0**-24)).astype(np.float64)
    return (np.log(inside) - np.log1p(-inside)).astype(np.float32)


def fit(logits: Floats, targets: Floats, weights: Floats, prevalence: Floats) -> Scaling:
    """The scaling that makes weighted answers likeliest; without answers slope 1 and shift 0.

    Args:
        logits: (n, K) of the scores given before the answers were known.
        targets: (n, K) share of yes, in [0, 1].
        weights: (n, K) about 1 on average; 0 where an answer is missing.
        prevalence: (K,) logits of how common each output is.

    """
    common = _pool(logits, targets, weights, prevalence.astype(np.float64))
    slope, shift = common
    for _ in range(_ITERATIONS):
        ga, gb, haa, hab, hbb = _derivatives(logits, targets, weights, Scaling(slope, shift))
        ga, gb = ga + _OWN_PRIOR[0] * (slope - common.slope), gb + _OWN_PRIOR[1] * (shift - common.shift)
        haa, hbb = haa + _OWN_PRIOR[0], hbb + _OWN_PRIOR[1]
        determinant = haa * hbb - hab * hab
        steps = np.clip(np.stack([hbb * ga - hab * gb, haa * gb - hab * ga]) / determinant, -_STEP, _STEP)
        last = np.stack([slope, shift])
        slope, shift = np.clip(slope - steps[0], *_SLOPES), shift - steps[1]
        if np.abs(np.stack([slope, shift]) - last).max(initial=0.0) < _ENOUGH:
            break
    return Scaling(slope, shift)


def _pool(logits: Floats, targets: Floats, weights: Floats, prevalence: Doubles) -> Scaling:
    """What outputs share: one slope, and a shift that is linear in the logit of the prevalence."""
    x, start = prevalence, np.array([1.0, 0.0, 0.0])
    pool = start
    for _ in range(_ITERATIONS):
        ga, gb, haa, hab, hbb = _derivatives(logits, targets, weights, _shared(pool, x))
        gradient = np.stack([ga, gb, x * gb]).sum(axis=1) + _POOL_PRIOR * (pool - start)
        crossed = np.stack([haa, hab, x * hab, hbb, x * hbb, x * x * hbb]).sum(axis=1)
        curvature = crossed[[[0, 1, 2], [1, 3, 4], [2, 4, 5]]] + np.diag(_POOL_PRIOR)
        last = pool
        pool = pool - np.clip(np.linalg.solve(curvature, gradient), -_STEP, _STEP)
        pool[0] = np.clip(pool[0], *_SLOPES)
        if np.abs(pool - last).max() < _ENOUGH:
            break
    return _shared(pool, x)


def _shared(pool: Doubles, prevalence: Doubles) -> Scaling:
    return Scaling(np.full(len(prevalence), pool[0]), pool[1] + pool[2] * prevalence)


def _derivatives(logits: Floats, targets: Floats, weights: Floats, scaling: Scaling) -> tuple[Doubles, ...]:
    """First and second derivatives of the weighted log loss by slope and shift, for each output."""
    yes = scaling.probabilities(logits)
    first = weights * (yes - targets)
    second = weights * yes * (np.float32(1.0) - yes)
    leaning = second * logits
    sums = (first * logits, first, leaning * logits, leaning, second)
    return tuple(each.sum(axis=0).astype(np.float64) for each in sums)


def best_f1(probabilities: Floats, weights: Floats) -> tuple[Doubles, float]:
    """The best F1 that calibrated probabilities promise, of each output and of all decisions together.

    Promised are `2 sum p` over the products decided positive, by their number and the sum of p over all. The best is
    had by deciding positive from half of it upwards (Lipton, Elkan and Naryanaswamy 2014), so at most from one half.
    """
    outputs, bins = probabilities.shape[1], _BINS + 1
    within = np.minimum((probabilities * np.float32(2 * _BINS)).astype(np.int64), _BINS)
    at = (within + bins * np.arange(outputs)).ravel()
    promised, decided = (
        np.bincount(at, values.ravel(), outputs * bins).reshape(outputs, bins)[:, ::-1].cumsum(axis=1)
        for values in (weights * probabilities, weights)
    )
    each = (2.0 * promised / np.maximum(decided + promised[:, -1:], 1e-12)).max(axis=1, initial=0.0)
    total, chosen = promised.sum(axis=0), decided.sum(axis=0)
    together = float((2.0 * total / np.maximum(chosen + total[-1:], 1e-12)).max(initial=0.0))
    return each, together


def thresholds_for_f1(probabilities: Floats, targets: Floats, weights: Floats) -> Doubles:
    """The thresholds for the best F1; near one half, or near that of all outputs together, where positives are few."""
    each, together = best_f1(probabilities, weights)
    positives = (weights * targets).sum(axis=0).astype(np.float64)
    total = positives.sum()
    common = (total * together / 2.0 + _EVIDENCE * 0.5) / (total + _EVIDENCE)
    thresholds: Doubles = (positives * each / 2.0 + _EVIDENCE * common) / (positives + _EVIDENCE)
    return thresholds
