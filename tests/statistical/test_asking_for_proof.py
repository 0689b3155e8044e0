"""What F1 varies by under policies that spend the same: fixed seeds, bounds derived beside, a wrong way caught."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import f as quotients

from models.chance import combine, rise
from models.features import featurise
from models.learner import Learner
from models.lessons import LearnerSettings
from models.messages import Product
from models.policies import POLICIES
from models.view import View

ARRIVALS, RUNS, FLOOR, SHARE = 3_000, 1_000, 0.02, 0.1
PREVALENCES, THRESHOLD = (0.2, 0.05), 0.3
# Sample variances of 1,000 runs each differ by more than this factor by chance in 0.1 % of cases.
BY_CHANCE = float(quotients.ppf(0.999, RUNS - 1, RUNS - 1))


def a_stream() -> tuple[View, np.ndarray]:
    """Calibrated scores, members that differ without regard to them, and the truth."""
    random = np.random.default_rng(4)
    scores = np.stack([random.beta(0.3, 0.3 / rate - 0.3, ARRIVALS) for rate in PREVALENCES], axis=1)
    scores = np.clip(scores, 1e-6, 1 - 1e-6)
    apart = random.exponential(1.0, scores.shape)
    logits = np.log(scores / (1 - scores))
    members = 1 / (1 + np.exp(-np.stack([logits - apart, logits + apart], axis=2)))
    settings = LearnerSettings(bits=10, width=4, sketch=4, hidden=4, members=2)
    snapshot = replace(
        Learner(("common", "rarer"), settings, seed=0).snapshot(),
        prevalence=np.array(PREVALENCES),
        thresholds=np.full(2, THRESHOLD, np.float32),
    )
    features = featurise([Product(id="p", title="a shoe")], bits=settings.bits)
    view = View(features=features, snapshot=snapshot, members=members.astype(np.float32))
    return view, random.random(scores.shape) < scores


VIEW, TRUTH = a_stream()


def variances(disagreement: np.ndarray) -> np.ndarray:
    """Of the estimated F1 of both outputs over many runs, whole products asked about with a mean chance of SHARE."""
    combined = combine(disagreement)
    scale = brentq(lambda scale: rise(FLOOR, scale, combined).mean() - SHARE, 1e-6, 1e6)
    chance = rise(FLOOR, scale, combined)
    draws = np.random.default_rng(6).random((RUNS, ARRIVALS))
    weights = (draws < chance) / chance
    scores = VIEW.scores.astype(np.float64)
    positive = scores >= THRESHOLD
    true, missed = ((scores * side).sum(axis=0) + weights @ ((TRUTH - scores) * side) for side in (positive, ~positive))
    return np.asarray((2 * true / (positive.sum(axis=0) + true + missed)).var(axis=0))


def narrower(disagreement: np.ndarray, than: np.ndarray) -> bool:
    """Whether F1 varies less for every output, and by more than chance."""
    return bool((variances(disagreement) * BY_CHANCE < than).all())


@pytest.mark.parametrize("policy", ["random", "iwal", "iwal-novel"])
def test_asking_for_evidence_narrows_f1_more_than_by_another_policy_of_the_same_mean_chance(policy):
    assert narrower(POLICIES["evidence"].disagreement(VIEW), variances(POLICIES[policy].disagreement(VIEW)))


def test_asking_about_what_is_certain_is_caught():
    assert not narrower(1.0 - POLICIES["evidence"].disagreement(VIEW), variances(POLICIES["random"].disagreement(VIEW)))
