import numpy as np
import pytest

from models.counts import Counts

ONE = np.ones(2, np.float32)


def counted(*answers: tuple[float, float], weight: float = 1.0) -> Counts:
    counts = Counts(2)
    for each in answers:
        counts.add(np.array(each, np.float32), weight * ONE, 1.0)
    return counts


def test_a_missing_answer_is_not_a_no():
    counts = counted((1.0, 1.0), (1.0, np.nan), (0.0, np.nan))

    assert counts.prevalence() == pytest.approx([2.05 / 4, 1.05 / 2])


def test_prevalence_goes_by_the_weights():
    counts = Counts(2)
    counts.add(np.array([1.0, 0.0], np.float32), 19 * ONE, 1.0)
    counts.add(np.array([0.0, 0.0], np.float32), ONE, 1.0)

    assert counts.prevalence() == pytest.approx([(19 + 0.5) / 30, 0.5 / 30])


def test_answers_taken_back_were_never_given():
    counts = counted((1.0, 0.0), (0.0, 0.25))
    counts.add(np.array([0.0, 0.25], np.float32), ONE, -1.0)

    assert counts.prevalence() == pytest.approx(counted((1.0, 0.0)).prevalence())


def test_an_output_never_asked_about_is_thought_rare():
    assert Counts(2).prevalence() == pytest.approx([0.05, 0.05])


def test_a_feature_of_positives_alone_matters_most_and_one_of_neither_least():
    counts = counted(*[(1.0, 0.0)] * 5, *[(0.0, 0.0)] * 45)
    yes = np.array([[5.0, 0.0], [2.0, 0.0], [0.5, 0.0]], np.float32)

    weights = counts.relevance().of(yes, np.array([5.0, 4.0, 5.0], np.float32))
    assert weights[0, 0] > weights[1, 0] > weights[2, 0] == pytest.approx(0.25, abs=0.03)


def test_the_size_of_log_odds_settles_at_that_of_the_features():
    counts = counted(*[(1.0, 1.0)] * 5, *[(0.0, 0.0)] * 45)
    yes, seen = np.array([[1.0, 0.0], [0.0, 0.0]], np.float32), np.array([1.0, 1.0], np.float32)
    for _ in range(200):
        counts.sample(yes, seen)

    expected = np.sqrt(np.mean(counts.relevance().log_odds(yes, seen) ** 2, axis=0))
    assert counts.relevance().size == pytest.approx(expected, rel=1e-4)


def test_where_only_some_products_were_asked_about_an_output_features_are_scaled_alike():
    everyone = counted(*[(1.0, 1.0)] * 10, *[(0.0, 0.0)] * 10)
    some = counted(*[(1.0, 1.0)] * 5, *[(1.0, np.nan)] * 5, *[(0.0, 0.0)] * 5, *[(0.0, np.nan)] * 5)
    seen = np.array([8.0], np.float32)

    whole = everyone.relevance().log_odds(np.array([[4.0, 4.0]], np.float32), seen)
    half = some.relevance().log_odds(np.array([[4.0, 2.0]], np.float32), seen)
    assert half == pytest.approx(whole, abs=0.02)


def test_restored_counts_are_the_same():
    counts, other = counted((1.0, 0.5), weight=3.0), Counts(2)
    other.restore(counts.state())

    assert other.prevalence().tolist() == counts.prevalence().tolist()


def test_with_all_of_a_weight_even_every_output_weighs_features_alike():
    answers = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], np.float32)
    weights = {}
    for even in (0.5, 1.0):
        counts = Counts(2, even=even)
        for targets in answers:
            counts.add(targets, np.ones(2, np.float32), 1.0)
        weights[even] = counts.relevance().of(np.array([[1.0, 0.0]], np.float32), np.array([1.0], np.float32))

    assert weights[1.0].tolist() == [[1.0, 1.0]]
    assert np.abs(weights[0.5] - 1.0).min() > 0.01
