"""The bound against the mixture's own integral, taken in 25 digits."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.confidence import bound, evidence, tuned

TABLE = [
    # variance, reach, variance the mixture is tuned to, alpha
    (0.0, 20.0, 500.0, 0.0125),
    (0.5, 20.0, 500.0, 0.0125),
    (40.0, 20.0, 500.0, 0.0125),
    (500.0, 20.0, 500.0, 0.0125),
    (500.0, 1.0, 500.0, 0.0125),
    (20_000.0, 20.0, 500.0, 0.0125),
    (2_000_000.0, 20.0, 500.0, 0.0125),
    (500.0, 20.0, 1.0, 0.0125),
    (500.0, 20.0, 100_000.0, 0.0125),
    (500.0, 100.0, 500.0, 0.0125),
    (500.0, 20.0, 500.0, 0.000125),
    (500.0, 2.0, 500.0, 0.25),
    (7.0, 2.0, 3.0, 0.05),
]


def integral(excess, variance, reach, rho):
    """The mixture of exp(lambda S - psi(lambda) V), where 1 - reach lambda = exp(-y) has a gamma density."""
    r = rho / reach**2

    def density(y):
        return mpmath.exp(-r * y - r * mpmath.exp(-y))

    def mixed(y):
        u = mpmath.exp(-y)
        return density(y) * mpmath.exp((1 - u) * excess / reach + (1 - u - y) * variance / reach**2)

    peak = -mpmath.log((variance + rho) / (reach * excess + variance + rho))
    return mpmath.quad(mixed, _places(peak, r + variance / reach**2)) / mpmath.quad(density, _places(0, r))


def _places(peak, shape):
    """Where to cut an integral over a peak whose tail falls with exp(-shape y)."""
    width = 1 / mpmath.sqrt(shape)
    around = [abs(peak + step * width) for step in (-12, -6, -3, -1, 0, 1, 3, 6, 12)]
    return sorted({mpmath.mpf(0), *around, *(step / shape for step in (0.1, 0.3, 1, 3, 10, 30, 100))})


@pytest.mark.parametrize(("variance", "reach", "tuned_to", "alpha"), TABLE)
def test_the_bound_is_where_the_integral_says_to_a_millionth(variance, reach, tuned_to, alpha):
    rho = float(tuned(tuned_to, alpha))
    found = float(bound(variance, reach, rho, alpha))

    with mpmath.workdps(25):
        below, above = (integral(mpmath.mpf(found) * (1 + side), variance, reach, rho) for side in (-1e-6, 1e-6))

    assert below < 1 / alpha < above


def test_the_bounds_of_many_are_the_bounds_of_each():
    variance, reach, rho = np.array([0.0, 3.0, 4e5]), np.array([20.0, 2.0, 20.0]), np.array([60.0, 1.0, 9.0])

    together = bound(variance, reach, rho, 0.01)

    assert together.tolist() == pytest.approx(
        [float(bound(*each, 0.01)) for each in zip(variance, reach, rho, strict=True)]
    )


def test_with_no_excess_and_no_steps_there_is_no_evidence():
    assert float(evidence(0.0, 0.0, 20.0, 60.0)) == pytest.approx(0.0, abs=1e-12)


@given(
    variance=st.floats(0, 1e7),
    reach=st.floats(0.5, 1_000),
    rho=st.floats(1e-2, 1e5),
    alpha=st.floats(1e-8, 0.4),
)
def test_the_bound_grows_with_what_makes_it_less_certain(variance, reach, rho, alpha):
    at = float(bound(variance, reach, rho, alpha))

    assert math.isfinite(at)
    assert float(bound(variance * 1.5 + 1, reach, rho, alpha)) >= at
    assert float(bound(variance, reach, rho, alpha / 2)) >= at
