"""Thresholds for a precision are the lowest that calibrated scores promise it at."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration
from models.counts import Counts
from models.features import featurise
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.messages import Product
from models.precision import lowest_threshold, thresholds_for_precision

SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=2, memory=200, batch=16, rehearsals=2)


def promised(threshold, probabilities, weights):
    decided = probabilities >= threshold
    return float((weights * probabilities)[decided].sum() / weights[decided].sum())


@pytest.mark.parametrize("precision", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_lowest_score_that_keeps_the_promise(seed, precision):
    random = np.random.default_rng(seed)
    probabilities = np.round(random.beta(0.4, 1.0, 300), 2).astype(np.float32)  # many scores are equal
    weights = np.where(random.random(300) < 0.3, 0.0, random.uniform(0.2, 5.0, 300)).astype(np.float32)
    found = lowest_threshold(probabilities[:, None], weights[:, None], precision)[0]

    candidates = [
        each for each in np.unique(probabilities[weights > 0.0]) if promised(each, probabilities, weights) >= precision
    ]
    assert found == pytest.approx(min([*candidates, precision]))


def test_without_answers_it_is_the_precision_itself():
    nothing = np.zeros((4, 2), np.float32)

    assert thresholds_for_precision(nothing + 0.99, nothing, nothing, 0.9).tolist() == pytest.approx([0.9, 0.9])


def test_where_no_score_is_sure_enough_it_is_the_precision_itself():
    scores = np.full((50, 1), 0.3, np.float32)

    assert lowest_threshold(scores, np.ones_like(scores), 0.9).tolist() == pytest.approx([0.9])


def test_it_is_nearer_the_precision_itself_the_fewer_the_positives():
    scores = np.float32([[1.0], [1.0], [0.75], [0.1]])
    weights = np.ones_like(scores)
    few, many = (thresholds_for_precision(scores, np.full_like(scores, each), weights, 0.9)[0] for each in (0.0, 1.0))

    assert lowest_threshold(scores, weights, 0.9)[0] == pytest.approx(0.75)
    assert few == pytest.approx(0.9)
    assert many == pytest.approx((4 * 0.75 + 2 * 0.9) / 6)


def test_a_window_that_aims_at_precision_starts_there_and_so_do_new_outputs():
    calibration = Calibration(2, limit=50, every=1, target="precision", precision=0.8)
    before = calibration.thresholds.tolist()
    for number in range(50):
        yes = np.float32([number % 2, number % 5 == 0])
        calibration.add(f"q{number}", 6.0 * yes - 3.0, yes, np.ones(2, np.float32))
        calibration.fit_if_due(np.zeros(2, np.float32))
    calibration.rearrange(np.array([1, -1]))

    assert before == pytest.approx([0.8, 0.8])
    assert calibration.thresholds[0] < 0.8
    assert calibration.thresholds[1] == pytest.approx(0.8)


def lesson(number):
    words = [word for place, word in enumerate(("red", "rare")) if number % (2, 16)[place] == 0]
    targets = np.array([float(number % 2 == 0), float(number % 16 == 0)], np.float32)
    product = Product(id=str(number), title=" ".join(["shoe", *words, f"item{number % 40}"]))
    return Lesson(query=f"q{number}", product=product, targets=targets, chance=np.ones(2, np.float32))


def taught(settings):
    learner = Learner(("red", "rare"), settings, seed=1)
    for number in range(12):
        learner.update(number + 1, [lesson(8 * number + i) for i in range(8)])
    return learner


def test_thresholds_rise_with_the_precision_that_is_wanted():
    low, high = (
        taught(replace(SMALL, target="precision", target_precision=each)).snapshot().thresholds for each in (0.6, 0.95)
    )

    assert (low < high).all()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, (1.0, 1.0)), ({"prior_bias": False}, (0.0, 0.0)), ({"logit_adjustment": 0.5}, (1.5, 1.0)),
     ({"prior_bias": False, "logit_adjustment": 1.0}, (1.0, 0.0))],
)  # fmt: skip
def test_the_logit_of_the_prevalence_is_added_as_set(changes, expected):
    counts = Counts(2)
    counts.add(np.float32([1.0, 0.0]), np.ones(2, np.float32), 1.0)
    offsets = counts.offsets(replace(SMALL, **changes))

    assert offsets.learning.tolist() == (np.float32(expected[0]) * counts.bias()).tolist()
    assert offsets.serving.tolist() == (np.float32(expected[1]) * counts.bias()).tolist()


def chances_of_the_rare(settings):
    features = featurise([Product(id=str(n), title=f"shoe item{n}") for n in range(20)], bits=settings.bits)
    return taught(settings).snapshot().members(features)[:, 1].mean()


def test_logit_adjustment_makes_what_is_rare_likelier():
    plain, adjusted = (chances_of_the_rare(replace(SMALL, logit_adjustment=each)) for each in (0.0, 1.0))

    assert adjusted > 2.0 * plain


def test_without_the_prior_bias_an_output_starts_from_nothing():
    counted, even = (
        Learner(("red", "rare"), replace(SMALL, prior_bias=each), seed=1).snapshot().members(
            featurise([Product(id="p", title="shoe")], bits=SMALL.bits)
        )
        for each in (True, False)
    )  # fmt: skip

    assert counted.mean() < 0.1
    assert even.mean() == pytest.approx(0.5, abs=0.1)
