"""Thresholds for a precision keep it on products not seen yet, where scores are calibrated; else they do not."""

import numpy as np
import pytest

from models import platt
from models.calibration import Calibration
from models.platt import Scaling
from models.precision import thresholds_for_precision

WINDOW, FRESH, SEEDS = 2_000, 100_000, 10
SLOPE, SHIFT = 0.55, -0.4  # of the distortion: scores are too bold


def products(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of scores that say too much, and the answers."""
    logits = random.normal([-2.0, -1.0, -3.0], [3.0, 2.5, 3.5], (n, 3)).astype(np.float32)
    return logits, (random.random((n, 3)) < platt.expit(SLOPE * logits + SHIFT)).astype(np.float32)


def shortfall(target: float, *, calibrated: bool) -> tuple[np.ndarray, np.ndarray]:
    """By how much precision misses the target (3,), mean over seeds, and the standard error of that mean."""
    missed, variance = [], []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        calibration = Calibration(3, limit=WINDOW, every=WINDOW, target="precision", precision=target)
        logits, yes = products(random, WINDOW)
        for number in range(WINDOW):
            calibration.add(str(number), logits[number], yes[number], np.ones(3, np.float32))
        calibration.fit_if_due(np.zeros(3, np.float32))
        scaling, thresholds = calibration.scaling, calibration.thresholds
        if not calibrated:
            scaling = Scaling(np.ones(3), np.zeros(3))
            thresholds = thresholds_for_precision(scaling.probabilities(logits), yes, np.ones_like(yes), target)
        fresh, truth = products(random, FRESH)
        decided = scaling.probabilities(fresh) >= thresholds
        missed.append(target - (decided * truth).sum(axis=0) / decided.sum(axis=0))
        # Two fitted numbers know the precision at least as well as counting it among the window's decisions would,
        # of which recency leaves five ninths: 1 / 3 squared over 1 / 5.
        above = (scaling.probabilities(logits) >= thresholds).sum(axis=0) * 5.0 / 9.0
        variance.append(target * (1.0 - target) * (1.0 / above + 1.0 / decided.sum(axis=0)))
    return np.mean(missed, axis=0), np.sqrt(np.sum(variance, axis=0)) / SEEDS


@pytest.mark.parametrize("target", [0.7, 0.9])
def test_the_precision_is_kept_on_fresh_products(target):
    missed, error = shortfall(target, calibrated=True)

    assert (missed < 4.5 * error).all()  # beyond 4.5 lies 3 in a million
    assert (missed > -0.1).all()  # nor by far more than asked for


@pytest.mark.parametrize("target", [0.7, 0.9])
def test_scores_that_say_too_much_are_caught(target):
    missed, error = shortfall(target, calibrated=False)

    assert (missed > 4.5 * error).all()
