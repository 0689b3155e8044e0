from dataclasses import replace

import numpy as np
import pytest

from models.features import featurise
from models.learner import Learner, LearnerSettings, Lesson
from shared.lessons import OUTPUTS, SMALL, lesson, product, scores, taught, withdrawn

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_restored_learner_survives_full_tables_corrections_and_withdrawals():
    settings = replace(SMALL, steps_per_lesson=0.1, table_megabytes=0, memory=10)
    whole, resumed = Learner(OUTPUTS, settings, seed=2), Learner(OUTPUTS, settings, seed=2)
    for number in range(1, 25):
        lessons = [lesson(number * 30 + i) for i in range(30)]
        lessons += [withdrawn(f"q{number * 30 - 3}"), lesson(7, query=f"q{number * 30 - 5}")]
        whole.update(number, lessons)
        fresh = Learner(OUTPUTS, settings, seed=2)
        fresh.restore(resumed.state())
        fresh.update(number, lessons)
        resumed = fresh

    assert resumed.digest() == whole.digest()


def test_a_snapshot_never_changes_while_learning_goes_on():
    settings = replace(SMALL, steps_per_lesson=0.1, table_megabytes=0)  # so few rows that they change hands
    learner = taught(3, settings)
    snapshot = learner.snapshot()
    features = featurise([product(number) for number in range(40)], bits=settings.bits)
    before = snapshot.members(features)
    for number in range(4, 25):
        learner.update(number, [lesson(number * 30 + i) for i in range(30)])
        learner.snapshot()

    assert np.array_equal(snapshot.members(features), before)


def test_a_withdrawn_answer_leaves_hardly_a_trace():
    # No other answer is learnt again, so that nothing compensates while it is there.
    settings = replace(SMALL, rehearsals=0, steps_per_lesson=0.0, memory=1000)
    one, other = Learner(OUTPUTS, settings, seed=1), Learner(OUTPUTS, settings, seed=1)
    one.update(1, [lesson(number) for number in range(10)])
    other.update(1, [lesson(number) for number in range(10)])
    one.update(2, [lesson(50)])
    one.update(3, [withdrawn("q50")])

    assert scores(one) == pytest.approx(scores(other), abs=0.02)


def test_missing_answers_leave_their_output_as_it_was():
    learner = taught(3)
    state = learner.state()
    targets = np.array([1.0, np.nan, 0.0], np.float32)
    learner.update(4, [replace(lesson(999), targets=targets)])

    share = learner.state()["memory/share"][-1]
    assert (share[1].item(), share[0].item() > 0, share[2].item() < 0) == (0.0, True, True)
    assert learner.state()["counts/plain"][:, 1].tolist() == state["counts/plain"][:, 1].tolist()


def test_the_state_holds_no_more_rows_than_were_touched():
    learner = taught(3)
    touched = len(np.unique(featurise([product(number) for number in range(5, 20)], bits=SMALL.bits).ids))

    assert learner.state()["linear/weights"].shape == (touched, 3)


@pytest.mark.slow
def test_memory_and_tables_are_bounded_where_outputs_are_many():
    outputs = [f"o{k}" for k in range(20_000)]
    learner = Learner(outputs, LearnerSettings(table_megabytes=64, memory_megabytes=64, batch=2), seed=1)
    learner.update(1, [Lesson(query="q", product=product(1), targets=np.ones(20_000, np.float32),
                              chance=np.ones(20_000, np.float32))])  # fmt: skip

    assert learner.state()["linear/weights"].shape[1] == 0
    assert learner.snapshot().members(featurise([product(1)], bits=20)).shape == (1, 20_000, 8)


@pytest.mark.parametrize("weights", ["none", "clipped", "full"])
def test_a_rarely_asked_answer_counts_for_more_only_where_set(weights):
    settings = replace(SMALL, weights=weights, steps_per_lesson=0.0, rehearsals=0, cost=0.1)
    learner = Learner(OUTPUTS, settings, seed=1)
    learner.update(1, [lesson(number, chance=1.0) for number in range(20)])
    learner.update(2, [lesson(30, chance=0.05), lesson(30, query="other", chance=1.0)])
    share = np.abs(learner.state()["memory/share"][-2:].numpy()).max(axis=1)

    assert (share[0] > 2 * share[1]) == (weights != "none")


def apart(joint: bool, **changes) -> LearnerSettings:
    """Everything off that lets one output's answers reach another but the network itself."""
    return replace(SMALL, joint=joint, mix=1.0, balanced=0.0, calibration="none", **changes)


def network_says(settings: LearnerSettings, *, contrary: bool) -> np.ndarray:
    """Scores of the first output, when the last one's answers are as they are or all turned round."""
    learner = Learner(OUTPUTS, settings, seed=1)
    for number in range(1, 9):
        lessons = [lesson(number * 5 + i) for i in range(5)]
        for one in lessons:
            one.targets[2] = 1.0 - one.targets[2] if contrary else one.targets[2]
        learner.update(number, lessons)
    return scores(learner)[:, 0]


def test_independent_networks_learn_nothing_from_each_other():
    as_is, turned = (network_says(apart(joint=False), contrary=contrary) for contrary in (False, True))
    assert as_is == pytest.approx(turned, abs=1e-6)

    as_is, turned = (network_says(apart(joint=True), contrary=contrary) for contrary in (False, True))
    assert np.abs(as_is - turned).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("heads", ["own", "shared"])
def test_independent_networks_go_on_bit_for_bit_and_keep_what_they_learnt_when_outputs_change(heads):
    settings = replace(SMALL, joint=False, heads=heads)
    whole, stopped = taught(9, settings, size=40), taught(6, settings, size=40)
    assert whole.state()["network/sums"].numel() > 3 * 1024  # more rows than the tables begin with
    resumed = Learner(OUTPUTS, settings, seed=1)
    resumed.restore({name: value.clone() for name, value in stopped.state().items()})
    for number in range(7, 10):
        resumed.update(number, [lesson(number * 40 + i) for i in range(40)])
    assert resumed.digest() == whole.digest()

    before = scores(whole)
    whole.change_outputs(10, ("new", "shoe", "red"))
    after = scores(whole)
    assert after[:, [2, 1]] == pytest.approx(before[:, [0, 1]], abs=1e-6)
    whole.update(11, [lesson(number) for number in range(200, 210)])
    assert np.isfinite(scores(whole)).all()


def test_without_the_bootstrap_members_of_equal_priors_agree():
    learner = taught(8, replace(SMALL, bootstrap=False, prior=0.0))
    features = featurise([product(number) for number in range(1000, 1020)], bits=SMALL.bits)
    assert np.ptp(learner.snapshot().members(features), axis=2).max() < 1e-6

    learner = taught(8, replace(SMALL, prior=0.0))
    assert np.ptp(learner.snapshot().members(features), axis=2).max() > 1e-3


def test_members_that_share_a_head_differ_and_go_on_bit_for_bit():
    settings = replace(SMALL, heads="shared", prior=0.0, bootstrap=False)
    whole, stopped = taught(8, settings), taught(5, settings)
    resumed = Learner(OUTPUTS, settings, seed=1)
    resumed.restore({name: value.clone() for name, value in stopped.state().items()})
    for number in range(6, 9):
        resumed.update(number, [lesson(number * 5 + i) for i in range(5)])
    assert resumed.digest() == whole.digest()

    features = featurise([product(number) for number in range(1000, 1020)], bits=SMALL.bits)
    assert np.ptp(whole.snapshot().members(features), axis=2).max() > 1e-3
