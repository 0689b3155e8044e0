"""Bounds that hold at all times: the gamma-exponential empirical Bernstein bound of Howard et al. (2021).

A sum S of steps, each at most `reach` away from a guess made before it, is compared with the sum of the steps' expected
values. V is the sum of squared distances between steps and guesses. Then S minus its expectation stays below `bound(V)`
at all times together, but for a chance of `alpha`, whatever the past does to the steps still to come. One side only:
for both sides, ask for half of alpha each.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaln

Doubles = NDArray[np.float64]

_HALVINGS: Final = 60


def tuned(variance: ArrayLike, alpha: float) -> Doubles:
    """The mixture's parameter rho that makes the bound tightest about where V is `variance`."""
    level = 2.0 * math.log(1.0 / (2.0 * alpha))
    return np.asarray(variance, np.float64) / (level + math.log1p(level))


def evidence(excess: ArrayLike, variance: ArrayLike, reach: ArrayLike, rho: ArrayLike) -> Doubles:
    """The logarithm of the mixture: it reaches ln(1 / alpha) just where `excess` reaches the bound; 0 or more there.

    Args:
        excess: S minus its expectation, 0 or above.
        variance: V, 0 or above.
        reach: most that a step differs from its guess.
        rho: the mixture's parameter, above 0; fixed before the first step.

    """
    excess, variance, reach, rho = (np.asarray(value, np.float64) for value in (excess, variance, reach, rho))
    r, v, s = rho / reach**2, variance / reach**2, excess / reach
    shape, rate = v + r, s + v + r
    lead = r * np.log(r) - gammaln(r) - np.log(gammainc(r, r))
    logarithm: Doubles = lead + gammaln(shape) + np.log(gammainc(shape, rate)) - shape * np.log(rate) + s + v
    return logarithm


def bound(variance: ArrayLike, reach: ArrayLike, rho: ArrayLike, alpha: float) -> Doubles:
    """The bound on S minus its expectation, element by element."""
    variance, reach, rho = np.broadcast_arrays(*(np.asarray(value, np.float64) for value in (variance, reach, rho)))
    wanted = math.log(1.0 / alpha)
    # By Bernstein's inequality the bound is of the order of one of these two; doubled until it is above.
    high = np.sqrt(2.0 * wanted * (variance + rho)) + wanted * reach
    while (short := evidence(high, variance, reach, rho) < wanted).any():
        high = np.where(short, 2.0 * high, high)
    low = np.zeros_like(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        short = evidence(middle, variance, reach, rho) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.asarray(high)
