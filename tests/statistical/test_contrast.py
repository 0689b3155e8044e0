"""Comparing two models after every answer: a candidate that is no better is hardly ever promoted, a better one is."""

import numpy as np
import pytest
from scipy.stats import norm

from models.arms import Arm, lesson_for, place
from models.confidence import evidence, tuned
from models.contrast import Contrast, better, bounds, per_arrival, worth
from models.messages import Because, Product, Query

RUNS, ARRIVALS, FLOOR, ALPHA = 400, 3_000, 0.05, 0.05


def streams(differences, seed=0):
    """Weighted sums and sums of squares after every arrival, (RUNS, ARRIVALS); chances follow from the past."""
    draw = np.random.default_rng(seed)
    total, squares, last = np.zeros(RUNS), np.zeros(RUNS), np.zeros(RUNS, np.bool_)
    sums = np.empty((2, RUNS, len(differences)))
    for i, difference in enumerate(differences):
        doubt = 0.3 if i % 3 else 0.02
        chance = np.clip(FLOOR + doubt * np.where(last, 0.5, 1.5), FLOOR, 1.0)
        asked = draw.random(RUNS) < chance
        step = np.where(asked, difference / chance, 0.0)
        total, squares, last = total + step, squares + step**2, asked
        sums[:, :, i] = total, squares
    return sums


# As hard as can be: the sum of the differences comes back to 0 with every second arrival and is never below it.
EVEN = np.where(np.arange(ARRIVALS) % 2, -1.0, 1.0)


def ever_promoted(total, squares):
    rho = tuned(2_000.0, ALPHA / 2)
    shown = evidence(np.maximum(-total, 0.0), squares, 1.0 / FLOOR, rho) >= np.log(2.0 / ALPHA)
    return (shown & (total < 0.0)).any(axis=1)


def test_a_candidate_that_is_no_better_is_promoted_in_at_most_5_percent_of_streams_however_often_one_looks():
    assert ever_promoted(*streams(EVEN)).mean() <= ALPHA


def test_the_same_looks_at_a_normal_interval_promote_it_far_too_often():
    total, squares = streams(EVEN)
    known = np.arange(ARRIVALS) >= 100

    peeking = ((total < norm.ppf(ALPHA / 2) * np.sqrt(np.maximum(squares, 1e-9))) & known).any(axis=1)

    assert peeking.mean() > 2.5 * ALPHA  # five times what a look at that side promises


def test_weights_cut_short_promote_a_candidate_that_is_worse():
    # Better by a little where it is often asked, worse by more where it seldom is.
    differences = np.where(np.arange(ARRIVALS) % 3, -0.3, 0.9)
    draw = np.random.default_rng(1)
    chance = np.where(np.arange(ARRIVALS) % 3, 0.9, FLOOR)
    asked = draw.random((RUNS, ARRIVALS)) < chance

    def promoted(weights):
        steps = np.where(asked, weights * differences, 0.0)
        return ever_promoted(steps.cumsum(axis=1), (steps**2).cumsum(axis=1)).mean()

    assert (promoted(1.0 / chance) <= ALPHA, promoted(np.minimum(1.0 / chance, 3.0)) > 0.9) == (True, True)


def test_a_better_candidate_is_promoted():
    assert ever_promoted(*streams(np.full(ARRIVALS, -0.3))).mean() > 0.95


def test_the_sum_over_all_arrivals_lies_within_the_bounds_at_all_times_and_they_say_what_the_evidence_says():
    contrast, true, outside, draw = Contrast(), 0.0, 0, np.random.default_rng(5)
    for _ in range(150):
        differences, chance = draw.uniform(-1, 0.6, 20), draw.uniform(FLOOR, 1, 20)
        asked = draw.random(20) < chance
        contrast, true = contrast.plus(differences[asked], 1 / chance[asked], FLOOR), true + differences.sum()
        found = bounds(contrast, ALPHA)
        outside += not found.lower <= true <= found.upper
        shown = ever_promoted(np.array([[contrast.total]]), np.array([[contrast.squares]]))[0]
        assert better(contrast, ALPHA) == shown
    assert outside == 0
    assert per_arrival(contrast, ALPHA).estimate == pytest.approx(true / 3_000, abs=0.05)


def test_what_the_choice_is_worth_lies_within_its_bounds():
    gain, halving, draw = Contrast(), Contrast(), np.random.default_rng(6)
    told = []
    for _ in range(300):
        first, second = draw.normal(-0.05, 0.1, 20), draw.normal(0.1, 0.1, 20)
        asked = draw.random(20) < 0.5
        gain = gain.plus(first[asked], np.full(asked.sum(), 2.0), 0.5)
        halving = halving.plus(second[asked], np.full(asked.sum(), 2.0), 0.5)
        told.append(worth(gain, halving, ALPHA))

    assert told[0] is None
    assert all(one.lower <= 2**0.5 <= one.upper for one in told if one is not None)
    assert told[-1].estimate == pytest.approx(2**0.5, rel=0.05)
    assert told[-1].lower > 1.1


def asked_about(number, chance, floor=0.02, share=0.1, outputs=("a",)):
    return Query(
        id=f"q{number}", arrival=f"products/0/{number}", product=Product(id="p", title="t"), ask=list(outputs),
        chance=chance, scores=b"", model=0, policy="iwal", priority=0.0, asked_at=1e9, expires_at=2e9,
        because=Because(disagreement={}, combined=0.0, floor=floor, scale=1.0, threshold={}, share=share),
    )  # fmt: skip


def test_both_samples_have_the_floors_share_of_arrivals_and_one_of_them_evenly():
    n, draw = 60_000, np.random.default_rng(7)
    easy = np.arange(n) % 2 == 0
    chance = np.where(easy, 0.04, 0.16)
    asked = np.flatnonzero(draw.random(n) < chance)
    had = {arm: [] for arm in Arm}
    for i in asked.tolist():
        for arm in Arm:
            if lesson_for(arm, asked_about(i, float(chance[i])), {"a": 1.0}, ("a",)) is not None:
                had[arm].append(i)

    deviation = np.sqrt(n * 0.02)
    assert abs(len(had[Arm.UNIFORM]) - 0.02 * n) < 4 * deviation
    assert abs(len(had[Arm.CHOSEN]) - 0.02 * n) < 4 * deviation
    assert abs(len(had[Arm.HALF]) - 0.01 * n) < 4 * deviation
    assert easy[had[Arm.UNIFORM]].mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(0.02 * n))
    assert easy[had[Arm.CHOSEN]].mean() == pytest.approx(0.2, abs=4 * 0.4 / np.sqrt(0.02 * n))
    assert set(had[Arm.HALF]) <= set(had[Arm.CHOSEN])


def test_an_arm_learns_with_the_chance_it_comes_to_ask_with():
    kept = next(i for i in range(1_000) if place(f"q{i}") < 0.05)
    chances = {
        arm: float(lesson_for(arm, asked_about(kept, 0.2), {"a": 1.0}, ("a",)).chance[0])
        for arm in (Arm.ALL, Arm.UNIFORM, Arm.CHOSEN, Arm.HALF)
    }

    assert chances == pytest.approx({Arm.ALL: 0.2, Arm.UNIFORM: 0.02, Arm.CHOSEN: 0.04, Arm.HALF: 0.02})


def test_a_query_that_does_not_ask_everything_is_no_part_of_a_uniform_sample():
    kept = next(i for i in range(1_000) if place(f"q{i}") < 0.01)
    query = asked_about(kept, {"a": 0.5})

    assert lesson_for(Arm.UNIFORM, query, {"a": 1.0}, ("a", "b")) is None
    assert lesson_for(Arm.CHOSEN, query, {"a": 1.0}, ("a", "b")) is not None
