"""Thresholds that keep a precision, from calibrated scores."""

from typing import Final

import numpy as np

from models.table import Floats

_EVIDENCE: Final = 2.0  # positives that the target itself is worth as a threshold


def lowest_threshold(probabilities: Floats, weights: Floats, precision: float) -> Floats:
    """The lowest score of each output (K,) from which upwards calibrated scores promise the precision.

    Promised is the weighted mean of the scores decided positive. It grows with the threshold, and at the precision
    itself it is enough whatever lies above; so that is the answer where no score reaches it, and never more.

    Args:
        probabilities: (n, K) calibrated.
        weights: (n, K) 0 where an answer is missing.
        precision: above 0, at most 1.

    """
    known = np.where(weights > 0.0, probabilities, np.float32(1.0))
    order = np.argsort(-known, axis=0, kind="stable")
    falling = np.take_along_axis(known, order, axis=0)
    surplus = np.cumsum(np.take_along_axis(weights, order, axis=0) * (falling.astype(np.float64) - precision), axis=0)
    # Equal scores are decided alike, so what counts is the sum after the last of them.
    last = np.ones_like(falling, np.bool_)
    last[:-1] = falling[1:] < falling[:-1]
    lowest = np.where(last & (surplus >= 0.0), falling, np.inf).min(axis=0, initial=np.inf)
    thresholds: Floats = np.minimum(lowest, precision).astype(np.float32)
    return thresholds


def thresholds_for_precision(probabilities: Floats, targets: Floats, weights: Floats, precision: float) -> Floats:
    """Thresholds (K,) that promise a precision; for few positives nearer the precision itself, which is always enough.

    Args:
        probabilities: (n, K) calibrated.
        targets: (n, K) share of yes, in [0, 1].
        weights: (n, K) about 1 on average; 0 where an answer is missing.
        precision: above 0, at most 1.

    """
    positives = (weights * targets).sum(axis=0)
    own = lowest_threshold(probabilities, weights, precision)
    thresholds: Floats = (positives * own + _EVIDENCE * precision) / (positives + _EVIDENCE)
    return thresholds.astype(np.float32)
