"""Sums and the figures made of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.estimates import Interval, basis, combine, figures, guesses, unanswered_range
from models.messages import OutputTally
from models.sums import FIELDS, Sums, nothing, of_answers, of_arrivals, unpack

NAMES = ("red", "rare")


def column(*values):
    return np.array([values], np.float64).T


def tally(positive, above, below):
    return OutputTally(positive=positive, mass_positive=above, mass_negative=below)


def answered(*, n=1, chance=0.5, score=0.8, positive=True, share=1.0):
    """One answer about one of n arrivals, all with the same score, for one output."""
    above, below = (n * score, 0.0) if positive else (0.0, n * score)
    arrivals = of_arrivals(n, {"red": tally(n * positive, above, below)}, ("red",))
    return arrivals + of_answers(column(chance), column(score), np.array([[positive]]), column(share))


def test_an_answer_counts_by_its_weight_beyond_the_score():
    sums = of_answers(column(0.25), column(0.5), np.array([[True]]), column(1.0))

    known = {name: float(sums.of(name)[0]) for name in FIELDS if sums.of(name)[0]}
    assert known == {
        "correction_positive": 2.0, "variance_positive": 4.0, "yes_positive": 1.0, "asked_positive": 1.0,
        "answered_positive": 1.0, "weight": 4.0, "weight_squared": 16.0, "squared_error": 1.0,
    }  # fmt: skip


def test_what_was_asked_and_not_answered_is_kept_apart():
    sums = of_answers(column(0.25), column(0.5), np.array([[False]]), column(np.nan))

    known = {name: float(sums.of(name)[0]) for name in FIELDS if sums.of(name)[0]}
    assert known == {"asked_negative": 1.0, "unanswered_weight_negative": 4.0, "unanswered_mass_negative": 2.0}


def test_an_output_not_asked_about_adds_nothing():
    assert of_answers(column(np.nan), column(0.5), np.array([[True]]), column(np.nan)) == nothing(1)


def test_a_chance_next_to_nothing_leaves_a_variance_too_large_to_say_anything():
    sums = of_answers(column(1e-9), column(0.5), np.array([[True]]), column(1.0))

    assert sums.of("variance_positive").tolist() == [2.0**32]


def test_packed_sums_unpack_to_the_same():
    sums = answered(n=3)

    assert unpack(sums.pack(), 1) == sums


def test_columns_follow_outputs_and_new_ones_start_at_nothing():
    sums = of_arrivals(5, {"red": tally(2, 1.5, 0.5), "rare": tally(0, 0.0, 0.25)}, NAMES)

    assert sums.columns([1, -1, 0]).of("mass_negative").tolist() == [0.25, 0.0, 0.5]


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 1), st.booleans(), st.sampled_from([0, 0.5, 1])), min_size=2)
)
def test_sums_do_not_depend_on_the_order_and_parts_can_be_taken_away(queries):
    parts = [of_answers(column(p), column(q), np.array([[f]]), column(y)) for p, q, f, y in queries]

    total = sum(parts[1:], parts[0])

    assert total == sum(parts[-2::-1], parts[-1])
    assert total - parts[0] == sum(parts[2:], parts[1])


@pytest.mark.parametrize("seed", range(20))
def test_the_corners_of_the_box_are_the_extremes_over_it(seed):
    draw = np.random.default_rng(seed)
    low, high = np.sort(draw.uniform(0, 50, (2, 2)), axis=1).T
    true, missed = (Interval(*(np.array([v]) for v in (low[i], low[i], high[i]))) for i in (0, 1))

    found = combine(true, missed, np.array([60.0]), np.array([200.0]))

    hits, misses = np.meshgrid(*(np.linspace(low[i], high[i], 40) for i in (0, 1)))
    for interval, brute in (
        (found.precision, hits / 60),
        (found.recall, hits / (hits + misses)),
        (found.f1, 2 * hits / (60 + hits + misses)),
        (found.prevalence, (hits + misses) / 200),
    ):
        assert (float(interval.lower[0]), float(interval.upper[0])) == pytest.approx((brute.min(), brute.max()))


def test_with_everything_asked_the_estimates_are_the_truth():
    score, truth = np.array([0.9, 0.7, 0.6, 0.4, 0.2, 0.1]), np.array([1, 1, 0, 1, 0, 0.0])
    positive = score >= 0.5
    sums = of_arrivals(
        6, {"red": tally(3, score[positive].sum(), score[~positive].sum())}, ("red",)
    ) + of_answers(np.ones((6, 1)), score[:, None], positive[:, None], truth[:, None])  # fmt: skip

    found = figures(sums, floor=1.0, alpha=0.05, guess=guesses(nothing(1)))

    estimates = [float(each.estimate[0]) for each in (found.precision, found.recall, found.f1, found.prevalence)]
    assert estimates == pytest.approx([2 / 3, 2 / 3, 2 / 3, 0.5], abs=1e-6)


def test_nothing_evaluated_is_nothing_known():
    found = figures(nothing(1), floor=0.05, alpha=0.05, guess=guesses(nothing(1)))

    known = [(np.isnan(each.estimate[0]), each.lower[0], each.upper[0]) for each in (found.precision, found.recall)]
    assert known == [(True, 0.0, 1.0)] * 2


def test_bounds_hold_at_least_what_was_seen():
    sums = answered(n=1, chance=1.0, score=0.9, share=0.0)

    assert figures(sums, floor=0.05, alpha=0.05, guess=guesses(nothing(1))).precision.upper.tolist() == [0.0]


def test_those_who_answer_stand_for_those_who_do_not():
    asked = sum((answered(n=10, chance=0.1, score=0.75) for _ in range(10)), nothing(1))
    half = asked + sum((answered(n=10, chance=0.1, score=0.75, share=np.nan) for _ in range(10)), nothing(1))

    all_answer = figures(asked + asked, floor=0.1, alpha=0.05, guess=guesses(nothing(1)))
    half_answer = figures(half, floor=0.1, alpha=0.05, guess=guesses(nothing(1)))

    assert half_answer.true_positives.estimate.tolist() == pytest.approx(all_answer.true_positives.estimate.tolist())
    assert half_answer.precision.lower[0] < all_answer.precision.lower[0]


def test_lost_queries_count_as_not_answered():
    asked = sum((answered(n=10, chance=0.1, score=0.75) for _ in range(10)), nothing(1))

    found = figures(asked, floor=0.1, alpha=0.05, guess=guesses(nothing(1)), lost=0.5)

    assert found.true_positives.estimate.tolist() == pytest.approx([75 + 2 * 25])


def test_what_is_not_answered_spans_from_all_no_to_all_yes():
    true, _ = unanswered_range(answered(n=10, chance=0.1, score=0.75, share=np.nan))

    assert (float(true.lower[0]), float(true.upper[0])) == pytest.approx((0.0, 10.0))


def test_the_effective_sample_is_smaller_where_weights_differ():
    even = answered(chance=0.5) + answered(chance=0.5)
    uneven = answered(chance=0.5) + answered(chance=0.1)

    assert (float(basis(even).effective[0]), float(basis(uneven).effective[0])) == pytest.approx((2.0, 144 / 104))


def test_a_guess_follows_what_was_seen_the_more_the_more_there_was():
    known = Sums(nothing(1).exact.copy())
    known.exact[FIELDS.index("arrivals")] = 1_000_000 * 2**24
    known.exact[FIELDS.index("variance_positive")] = 100_000 * 2**24

    assert guesses(nothing(1)).tolist() == [[1_000.0], [2_000.0]]
    assert guesses(known)[0, 0] == pytest.approx(2_000, rel=0.01)
