"""Two models compared on the same answers, by both their scores from before they learnt of them.

The loss of a product is the sum of its outputs' squared errors. What is added up is the difference of two models'
losses, cut at one whole output either way and weighed by 1/p. The sum estimates, without bias, that over all arrivals,
asked about or not. The bound of `models.confidence` holds for it at all times together: look after every answer.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.confidence import bound, tuned
from models.messages import Query

Doubles = NDArray[np.float64]

_AHEAD: Final = 2_000.0  # sum of squares at which bounds are tightest: some thousand arrivals


class Contrast(NamedTuple):
    """Sums over the answers on which two models were compared."""

    answers: int = 0
    weight: float = 0.0  # of the answers; estimates the number of arrivals
    total: float = 0.0  # weighted differences; below 0 if the first model is the better one
    squares: float = 0.0  # of the weighted differences
    floor: float = 1.0  # the least chance of asking that any arrival had

    def plus(self, differences: Doubles, weights: Doubles, floor: float) -> "Contrast":
        """Add n answers.

        Args:
            differences: (n,) of losses, in [-1, 1].
            weights: (n,) each 1/p.
            floor: the least chance with which any of these could have been asked.

        """
        steps = weights * differences
        return Contrast(
            answers=self.answers + len(steps),
            weight=self.weight + float(weights.sum()),
            total=self.total + float(steps.sum()),
            squares=self.squares + float((steps**2).sum()),
            floor=min(self.floor, floor),
        )


class Between(NamedTuple):
    """An estimate between its bounds."""

    estimate: float
    lower: float
    upper: float


def bounds(contrast: Contrast, alpha: float) -> Between:
    """The sum of differences over all arrivals, between bounds that hold at all times but for a chance of `alpha`."""
    rho = tuned(_AHEAD, alpha / 2.0)
    wide = float(bound(contrast.squares, 1.0 / contrast.floor, rho, alpha / 2.0))
    return Between(contrast.total, contrast.total - wide, contrast.total + wide)


def per_arrival(contrast: Contrast, alpha: float) -> Between | None:
    """The same for the mean difference; None before the first answer."""
    if not contrast.answers:
        return None
    # The number of arrivals is estimated too; what is decided hangs on the sign alone.
    return Between(*(value / contrast.weight for value in bounds(contrast, alpha)))


def better(contrast: Contrast, alpha: float) -> bool:
    """Whether the first model is shown to be the better one; wrong, ever, with a chance of at most `alpha`."""
    return contrast.total < 0.0 and bounds(contrast, alpha).upper < 0.0


class Worth(NamedTuple):
    """Labels that asking at random takes for what one label asked for by the policy achieves."""

    estimate: float
    lower: float
    upper: float


def worth(gain: Contrast, halving: Contrast, alpha: float) -> Worth | None:
    """What the choice of queries is worth in labels; None while it is not known.

    Losses fall about evenly with every doubling of the labels. So a gain of f times what half of the labels would cost
    is worth 2**f times the labels. Both sums are bounded at half of alpha each; f lies within the corners of that box.

    Args:
        gain: the policy's arm against the uniform one, at equal labels.
        halving: the policy's arm with half of its labels, against the whole.
        alpha: the chance that the bounds are ever wrong.

    """
    gained, cost = bounds(gain, alpha / 2.0), bounds(halving, alpha / 2.0)
    if cost.lower <= 0.0:
        return None
    best, least = -gained.lower, -gained.upper
    lower = least / (cost.upper if least > 0.0 else cost.lower)
    upper = best / (cost.lower if best > 0.0 else cost.upper)
    middle = -gained.estimate / cost.estimate
    # Beyond twice, or half, there is nothing measured to go by.
    return Worth(*(float(2.0 ** np.clip(power, -1.0, 1.0)) for power in (middle, lower, upper)))


def losses(scores: NDArray[np.float32], targets: NDArray[np.float32]) -> Doubles:
    """The loss of each product (n,): squared errors summed over its outputs (n, K); NaN targets are missing."""
    errors = np.where(np.isnan(targets), 0.0, scores.astype(np.float64) - targets)
    total: Doubles = (errors**2).sum(axis=1)
    return total


def difference(first: Doubles, second: Doubles) -> Doubles:
    """The first model's losses minus the second's, cut at one whole output either way."""
    return np.clip(first - second, -1.0, 1.0)


def whole_chance(query: Query, outputs: Sequence[str]) -> float | None:
    """The chance that all outputs were asked of this arrival together; None if this query does not ask them all.

    With one draw for all outputs it is the smallest of their chances.
    """
    if not set(query.ask).issuperset(outputs):
        return None
    return query.chance if isinstance(query.chance, float) else min(query.chance[output] for output in outputs)
