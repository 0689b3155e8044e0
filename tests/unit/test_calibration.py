import numpy as np
import pytest

from models import platt
from models.calibration import Calibration
from models.evaluation import average_precision
from models.platt import Scaling
from models.state import digest
from shared.scalings import neutral

PREVALENCE = np.float32([-1.0, -2.0, -4.0])


def filled(answers: int, *, first: int = 0, calibration: Calibration | None = None, limit: int = 100) -> Calibration:
    """A calibration told of so many answers about scores that are too timid, fitted as due."""
    calibration = calibration or Calibration(3, limit=limit, every=16, target="f1")
    for number in range(first, first + answers):
        random = np.random.default_rng(number)
        logits = random.normal(-1.0, 1.0, 3).astype(np.float32)
        yes = (random.random(3) < platt.expit(2.0 * logits)).astype(np.float32)
        calibration.add(f"q{number}", logits, yes, random.uniform(1.0, 10.0, 3).astype(np.float32))
        calibration.fit_if_due(PREVALENCE)
    return calibration


def test_without_answers_nothing_is_changed():
    nothing = np.zeros((5, 3), np.float32)
    scaling = platt.fit(nothing + 1.0, nothing, nothing, PREVALENCE)

    assert neutral(scaling)
    assert platt.thresholds_for_f1(nothing + 0.3, nothing, nothing).tolist() == [0.5] * 3


def test_a_new_calibration_is_neutral():
    calibration = Calibration(3, limit=100, every=16, target="f1")

    assert not calibration.fit_if_due(PREVALENCE)
    assert neutral(calibration.scaling)
    assert calibration.thresholds.tolist() == [0.5] * 3


def test_without_any_positive_thresholds_stay_at_one_half():
    calibration = Calibration(3, limit=100, every=16, target="f1")
    for number in range(50):
        calibration.add(
            f"q{number}", np.full(3, -2.0, np.float32), np.zeros(3, np.float32), np.full(3, 5.0, np.float32)
        )
        calibration.fit_if_due(PREVALENCE)

    assert calibration.thresholds.tolist() == [0.5] * 3
    assert np.isfinite(calibration.scaling).all()


def test_an_output_without_positives_takes_the_threshold_of_all_together():
    probabilities = np.float32([[0.9, 0.01], [0.2, 0.01]] * 50)
    targets = np.float32([[1.0, 0.0], [0.0, 0.0]] * 50)
    each = platt.thresholds_for_f1(probabilities, targets, np.ones_like(targets))
    _, together = platt.best_f1(probabilities, np.ones_like(targets))

    assert each[1] == pytest.approx(together / 2.0, abs=0.01)


def test_scores_far_out_give_finite_probabilities_in_order():
    extreme = np.float32([[-300.0], [-40.0], [0.0], [15.0], [300.0]])
    said = Scaling(np.array([5.0]), np.array([3.0])).probabilities(extreme)[:, 0]

    assert ((said > 0.0) & (said <= 1.0)).all()
    assert (np.diff(said) >= 0.0).all()


def test_slopes_are_above_zero_whatever_was_answered():
    logits = np.linspace(-3.0, 3.0, 500, dtype=np.float32)[:, None].repeat(3, axis=1)
    scaling = platt.fit(logits, (logits < 0.0).astype(np.float32), np.ones_like(logits), PREVALENCE)

    assert (scaling.slope > 0.0).all()


def test_a_missing_answer_counts_for_nothing():
    one, other = Calibration(2, limit=50, every=1, target="f1"), Calibration(2, limit=50, every=1, target="f1")
    for calibration, wrong in ((one, 5.0), (other, -5.0)):
        for number in range(20):
            calibration.add(f"q{number}", np.float32([wrong, 1.0]), np.float32([np.nan, 1.0]), np.ones(2, np.float32))
            calibration.fit_if_due(PREVALENCE[:2])

    assert one.scaling.shift.tolist() == other.scaling.shift.tolist()


def test_the_window_holds_the_newest_answers():
    calibration = filled(130)

    assert len(calibration) == 100
    assert [calibration.holds(f"q{number}") for number in (0, 29, 30, 129)] == [False, False, True, True]


def test_the_oldest_answers_leave_first_and_count_least():
    calibration = filled(130)
    recency = calibration._recency()
    places = [calibration._place(f"q{number}") for number in range(30, 130)]

    assert (np.diff(recency[places]) > 0.0).all()
    assert recency.max() == 1.0


def test_a_query_held_already_keeps_its_first_score():
    calibration = filled(10)
    before = calibration.state()["logits"].clone()
    calibration.add("q4", np.full(3, 9.0, np.float32), np.ones(3, np.float32), np.ones(3, np.float32))
    state = calibration.state()

    assert state["logits"].equal(before)
    assert state["targets"][4].tolist() == [1.0] * 3


def test_a_withdrawn_answer_counts_for_nothing():
    one, other = filled(20), filled(20)
    for calibration, wrong in ((one, 5.0), (other, -5.0)):
        calibration.add("wrong", np.full(3, wrong, np.float32), np.zeros(3, np.float32), np.ones(3, np.float32))
        calibration.forget(["never", "wrong"])
        for _ in range(3):
            filled(20, first=20, calibration=calibration)

    assert not one.holds("wrong")
    assert one.scaling.shift.tolist() == other.scaling.shift.tolist()


@pytest.mark.parametrize("answers", [0, 7, 64, 100, 163])
def test_a_restored_calibration_goes_on_like_one_that_never_stopped(answers):
    whole = filled(answers)
    resumed = Calibration(3, limit=100, every=16, target="f1")
    resumed.restore(whole.state())
    for calibration in (whole, resumed):
        filled(90, first=answers, calibration=calibration)

    assert digest(resumed.state()) == digest(whole.state())


def test_outputs_that_stay_keep_their_calibration():
    calibration = filled(80)
    before, thresholds = calibration.scaling, calibration.thresholds
    calibration.rearrange(np.array([2, -1, 0]))

    assert calibration.scaling.slope.tolist() == [before.slope[2], 1.0, before.slope[0]]
    assert calibration.thresholds.tolist() == [thresholds[2], 0.5, thresholds[0]]
    filled(40, first=80, calibration=calibration)
    assert np.isfinite(calibration.scaling).all()


@pytest.mark.parametrize(("slope", "shift"), [(0.7, -1.0), (1.0, 0.5), (2.3, 2.0)])
def test_an_output_ranks_products_as_before(slope, shift):
    random = np.random.default_rng(5)
    scores = np.unique((random.integers(1, 2**16, 3_000) * np.float32(2.0**-17)).astype(np.float32))
    positive = random.random(len(scores)) < scores
    calibrated = Scaling(np.array([slope]), np.array([shift])).probabilities(platt.logit(scores[:, None]))[:, 0]

    assert (np.diff(calibrated) > 0.0).all()
    assert average_precision(calibrated, positive) == average_precision(scores, positive)
