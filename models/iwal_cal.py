"""IWAL-CAL for the linear path: how far from the boundary an arrival is, in answers that it would take to cross it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.platt import logit
from models.view import View

Doubles = NDArray[np.float64]

_MELLOWNESS: Final = 1e-9  # C0: the larger, the longer everything is worth asking about


class IwalCal:
    """The rule of Beygelzimer, Hsu, Langford and Zhang (2010) with c1 = c2 = 1, each output by itself.

    Their G is how much worse, in errors per arrival, the best model would be that decides this arrival otherwise. Here
    it is the weight of contrary answers about it that would carry the linear path's logit over the served threshold,
    over the number of answers: for one answer that weight follows from the equation that learning solves, in closed
    form. Other answers stand still meanwhile, so it is a lower bound of what it takes.
    """

    name: Final = "iwal-cal"

    def __init__(self, mellowness: float = _MELLOWNESS) -> None:
        self.mellowness = mellowness

    def disagreement(self, view: View) -> Doubles:
        arrivals = view.ours.arrivals
        answers = view.ours.relevance.positives + view.ours.relevance.negatives
        tolerated = self.mellowness * np.log1p(arrivals) / np.maximum(arrivals, 1.0)
        known = answers > 0.0
        worse = np.where(known, crossing(view) / np.where(known, answers, 1.0), 0.0)
        return chance(worse, tolerated)


def crossing(view: View) -> Doubles:
    """Weight of a contrary answer about each arrival (n, K) that would bring its logit to the served threshold.

    The share of an answer of weight h is alpha = h * cost * (target - expit(logit)), and the logit moves by alpha
    times the length; at the threshold t this gives h = |t - logit| / (length * cost * |target - expit(t)|).
    """
    logits, lengths = (values.astype(np.float64) for values in view.linear_path)
    scaling = view.ours.scaling
    threshold = (logit(view.ours.thresholds) - scaling.shift) / scaling.slope
    above = logits >= threshold
    # To the other side means no for what is above, whose residual at the threshold is expit(t), else yes.
    residual = 1.0 / (1.0 + np.exp(np.where(above, -threshold, threshold)))
    weight: Doubles = np.abs(logits - threshold) / (lengths * view.ours.cost * residual)
    return weight


def chance(worse: Doubles, tolerated: Doubles) -> Doubles:
    """The s in (0, 1] with G = sqrt(e / s) + e / s, and 1 where G is at most sqrt(e) + e.

    It is ((sqrt(e) + sqrt(e + 4 G e)) / (2 G)) ** 2. Vowpal Wabbit multiplies by G where this divides by it, so that
    its chances are G ** 4 times what they should be.

    Args:
        worse: G >= 0, errors per arrival.
        tolerated: e > 0, by how much errors may differ by chance.

    """
    root = np.sqrt(tolerated)
    likely = worse <= root + tolerated
    apart = np.where(likely, 1.0, worse)
    solved: Doubles = ((root + np.sqrt(tolerated + 4.0 * apart * tolerated)) / (2.0 * apart)) ** 2
    return np.where(likely, 1.0, solved)
