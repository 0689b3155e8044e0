"""What calibration makes of a learner's scores: those that it serves, and thresholds."""

from dataclasses import replace

import numpy as np
import pytest

from models import platt
from models.calibration import Calibration
from models.features import featurise
from models.learner import Learner, LearnerSettings, Lesson
from models.messages import Product
from shared.scalings import neutral

OUTPUTS = ("red", "shoe", "hat")
SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=4, memory=100, batch=16)


def lesson(number: int) -> Lesson:
    words = [word for place, word in enumerate((*OUTPUTS, "big", "old")) if (number * 2654435761 >> (7 + place)) & 1]
    targets = np.array([word in words for word in OUTPUTS], np.float32)
    item = Product(id=str(number), title=" ".join([*words, f"item{number}"]))
    return Lesson(query=f"q{number}", product=item, targets=targets, chance=np.full(3, 0.25, np.float32))


def taught(settings: LearnerSettings = SMALL, batches: int = 12) -> Learner:
    learner = Learner(OUTPUTS, settings, seed=1)
    for number in range(1, batches + 1):
        learner.update(number, [lesson(5 * number + i) for i in range(5)])
    return learner


def pooled(learner: Learner, lessons: list[Lesson]) -> np.ndarray:
    features = featurise([one.product for one in lessons], bits=learner.settings.bits)
    return platt.pooled(learner.snapshot().members(features))


def test_an_answer_stands_beside_the_score_from_before_it_was_learnt():
    learner = taught()
    lessons = [lesson(number) for number in range(200, 205)]
    before = pooled(learner, lessons)
    learner.update(13, lessons)
    state = learner.state()

    assert np.array_equal(state["calibration/logits"][-5:].numpy(), before)
    assert state["calibration/weights"][-5:].unique().tolist() == [4.0]
    assert not np.allclose(pooled(learner, lessons), before)


def test_an_answer_learnt_long_ago_is_not_judged_anew():
    learner = taught(replace(SMALL, window=16))
    remembered = [lesson(number) for number in (6, 7)]
    before = learner.state()["calibration/queries"]
    learner.update(13, remembered)

    assert learner.state()["calibration/queries"].equal(before)


def test_a_restored_learner_judges_like_one_that_never_stopped():
    whole, resumed = taught(batches=7), Learner(OUTPUTS, SMALL, seed=1)
    resumed.restore(whole.state())
    for learner in (whole, resumed):
        for number in range(8, 13):
            learner.update(number, [lesson(5 * number + i) for i in range(5)])
    fresh = [lesson(number) for number in range(300, 320)]
    served = [learner.snapshot().scores(pooled(learner, fresh)[:, :, None]) for learner in (whole, resumed)]

    assert resumed.digest() == whole.digest()
    assert np.array_equal(served[0], served[1])
    assert np.array_equal(whole.snapshot().thresholds, resumed.snapshot().thresholds)


def test_scores_are_the_calibrated_pool_of_the_members():
    learner = taught()
    snapshot = learner.snapshot()
    members = snapshot.members(featurise([lesson(300).product], bits=SMALL.bits))

    assert not neutral(snapshot.scaling)
    assert np.array_equal(snapshot.scores(members), snapshot.scaling.probabilities(platt.pooled(members)))


def test_the_pool_ranks_as_most_members_do_and_no_certain_member_overrules_them():
    most_for_first = np.float32([[[0.6, 0.6, 0.6, 0.1]], [[0.5, 0.5, 0.5, 0.35]]])
    one_is_sure = np.float32([[[0.9, 0.9, 0.9, 0.0]]])

    first, second = platt.pooled(most_for_first)[:, 0]

    assert first < second  # of the mean probability 0.475 and 0.4625 it would be the other way round
    assert platt.pooled(one_is_sure)[0, 0] == pytest.approx((3 * np.log(9.0) - np.log(2.0**24)) / 4, rel=1e-4)


def test_without_calibration_scores_are_the_pool_and_thresholds_one_half():
    learner = taught(replace(SMALL, calibration="none"))
    snapshot = learner.snapshot()
    members = snapshot.members(featurise([lesson(300).product], bits=SMALL.bits))

    logits = np.log(members / (1.0 - members)).mean(axis=2)
    assert snapshot.scores(members) == pytest.approx(1.0 / (1.0 + np.exp(-logits)), rel=1e-5)
    assert snapshot.thresholds.tolist() == [0.5] * 3


def test_thresholds_stay_at_one_half_where_that_is_the_target():
    snapshot = taught(replace(SMALL, target="half")).snapshot()

    assert snapshot.thresholds.tolist() == [0.5] * 3
    assert not neutral(snapshot.scaling)


def test_the_window_shrinks_where_outputs_are_many():
    few, many = (Calibration.within(LearnerSettings(memory_megabytes=64), outputs).limit for outputs in (60, 20_000))

    assert (few, many) == (2_000, 34)
