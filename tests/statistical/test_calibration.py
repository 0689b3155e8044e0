"""Calibration on answers that were asked for actively, each beside a broken companion that must be caught."""

import numpy as np
import pytest

from models import platt
from models.calibration import Calibration
from models.platt import Scaling

SLOPE, SHIFT = 1.7, -0.8  # of the distortion
SIZE = 6_000


def asked(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, answers and chances of what was asked for, of one output.

    Who asks saw more than the score: what is likelier positive than its score says is asked about nine times as often.
    """
    random = np.random.default_rng(seed)
    logits = random.normal(-1.0, 1.5, 5 * SIZE)
    yes = random.random(5 * SIZE) < platt.expit(SLOPE * logits + SHIFT)
    hunch = np.where(random.random(5 * SIZE) < 0.7, yes, random.random(5 * SIZE) < 0.5)
    chance = np.where(hunch, 0.9, 0.1)
    known = random.random(5 * SIZE) < chance
    return (logits[known].astype(np.float32), yes[known].astype(np.float32), chance[known].astype(np.float32))


def errors(seed: int, *, weighted: bool) -> np.ndarray:
    """How many standard errors slope and shift lie from the truth; the errors are those of weighted likelihood."""
    logits, yes, chance = asked(seed)
    weights = 1.0 / chance if weighted else np.ones_like(chance)
    weights /= weights.mean()
    found = platt.fit(logits[:, None], yes[:, None], weights[:, None], np.zeros(1, np.float32))
    design = np.stack([logits, np.ones_like(logits)]).astype(np.float64)
    truth = platt.expit(SLOPE * logits + SHIFT)
    curvature = (design * weights * truth * (1.0 - truth)) @ design.T
    scatter = (design * (weights * (yes - truth)) ** 2) @ design.T
    inverse = np.linalg.inv(curvature)
    spread = np.sqrt(np.diag(inverse @ scatter @ inverse))
    return np.abs(np.array([found.slope[0] - SLOPE, found.shift[0] - SHIFT])) / spread


@pytest.mark.parametrize("seed", range(10))
def test_weighted_answers_give_back_a_known_distortion(seed):
    # The priors move the fit by less than a tenth of a standard error here; beyond 4.5 lies 7 in a million.
    assert (errors(seed, weighted=True) < 4.5).all()


def test_answers_that_all_count_the_same_are_caught():
    assert all((errors(seed, weighted=False) > 4.5).any() for seed in range(10))


def population(seed: int, n: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    probabilities = platt.expit(random.normal([-4.0, -2.0, 0.0], [2.0, 1.0, 1.0], (n, 3))).astype(np.float32)
    return probabilities, random.random((n, 3)) < probabilities


def f1(threshold: float, probabilities: np.ndarray, yes: np.ndarray) -> float:
    decided = probabilities >= threshold
    return 2.0 * float((decided & yes).sum()) / float(decided.sum() + yes.sum())


def test_the_threshold_of_calibrated_scores_is_half_the_best_f1():
    probabilities, yes = population(1)
    thresholds = platt.thresholds_for_f1(probabilities, yes.astype(np.float32), np.ones_like(probabilities))
    for k in range(3):
        reached = [f1(t, probabilities[:, k], yes[:, k]) for t in np.linspace(0.02, 0.6, 117)]

        assert thresholds[k] == pytest.approx(max(reached) / 2.0, abs=0.005)
        assert f1(thresholds[k], probabilities[:, k], yes[:, k]) == pytest.approx(max(reached), abs=0.005)


def test_one_half_is_caught():
    probabilities, yes = population(1)
    thresholds = platt.thresholds_for_f1(probabilities, yes.astype(np.float32), np.ones_like(probabilities))

    for k in range(3):
        best = f1(thresholds[k], probabilities[:, k], yes[:, k])
        assert f1(0.5, probabilities[:, k], yes[:, k]) < best - 0.01


def losses(answers: int) -> tuple[float, float, float]:
    """Log loss on fresh products: uncalibrated, calibrated with what outputs share, each output alone."""
    random = np.random.default_rng(answers)
    slopes, shifts = random.normal(1.6, 0.15, 40), random.normal(-1.0, 0.4, 40)

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
        logits = random.normal(-2.5, 2.0, (n, 40)).astype(np.float32)
        yes = random.random((n, 40)) < platt.expit(slopes * logits + shifts)
        return logits, yes.astype(np.float32)

    logits, yes = drawn(answers)
    weights = np.ones_like(logits)
    prevalence = np.zeros(40, np.float32)
    together = platt.fit(logits, yes, weights, prevalence)
    alone = [platt.fit(*(each[:, k : k + 1] for each in (logits, yes, weights)), prevalence[:1]) for k in range(40)]
    apart = Scaling(np.concatenate([one.slope for one in alone]), np.concatenate([one.shift for one in alone]))
    fresh, truth = drawn(20_000)

    def loss(scaling: Scaling) -> float:
        said = scaling.slope * fresh + scaling.shift
        return float(np.mean(np.logaddexp(0.0, said) - truth * said))

    neutral = Scaling(np.ones(40), np.zeros(40))
    return loss(neutral), loss(together), loss(apart)


@pytest.mark.parametrize("answers", [20, 60, 200])
def test_outputs_calibrated_together_are_nearer_the_truth_than_each_alone(answers):
    neutral, together, apart = losses(answers)

    assert together < apart < neutral


def test_a_model_that_improves_is_judged_by_how_it_is_now():
    random = np.random.default_rng(3)
    calibration = Calibration(2, limit=2_000, every=64, target="f1")
    for i in range(1_500):
        sharpness = 0.2 + 0.8 * i / 1_500  # a timid model that gains confidence
        truth = random.normal(-1.0, 2.0, 2)
        yes = (random.random(2) < platt.expit(truth)).astype(np.float32)
        calibration.add(str(i), (sharpness * truth).astype(np.float32), yes, np.ones(2, np.float32))
        calibration.fit_if_due(np.zeros(2, np.float32))

    # All answers alike would give about 1 / 0.6, the mean sharpness weighed by nothing.
    assert calibration.scaling.slope == pytest.approx(np.full(2, 1.0 / 0.8), abs=0.2)
