"""Progressive quality, against figures worked out by hand."""

import numpy as np
import pytest

from models.messages import Prediction
from service.quality import progressive

OUTPUTS = ("red", "shoe")


def prediction(number, scores, *, asked=False, model=0, threshold=0.5):
    return Prediction(
        product=f"p{number}", arrival=f"products/0/{number}", model=model, policy="iwal",
        scores=np.asarray(scores, "<f4").tobytes(),
        positive={name: score for name, score in zip(OUTPUTS, scores, strict=False) if score >= threshold},
        chance=0.5, draw=0.7, asked=asked, at=1e9,
    )  # fmt: skip


def truth(n, **yes):
    return {f"p{i}": frozenset(name for name, numbers in yes.items() if i in numbers) for i in range(n)}


def test_a_window_is_judged_by_the_scores_served_in_it():
    # red: positives 0..4, ranked 0, 1, 2, 9, 3, 4: precision at each 1, 1, 1, 4/5, 5/6.
    scores = dict(zip((0, 1, 2, 9, 3, 4), (0.99, 0.98, 0.97, 0.96, 0.95, 0.94), strict=True))
    said = [prediction(i, (scores.get(i, 0.1), 0.1), asked=i < 3, model=i) for i in range(10)]

    (window,) = progressive(said, truth(10, red=range(5)), OUTPUTS, 10)

    assert window.macro_ap == pytest.approx((1 + 1 + 1 + 4 / 5 + 5 / 6) / 5)
    assert window.micro_f1 == pytest.approx(2 * 5 / (6 + 5))
    assert (window.arrivals, window.asked, window.model, window.outputs) == (10, 3, 9, 1)


def test_windows_count_from_the_start_and_judge_their_own_stretch():
    said = [prediction(i, (0.9, 0.1) if (i % 2 == 0) == (i >= 20) else (0.1, 0.1), asked=True) for i in range(40)]
    even = truth(40, red=range(0, 40, 2))

    first, second = progressive(said, even, OUTPUTS, 20)

    assert (first.arrivals, second.arrivals, first.asked, second.asked) == (20, 40, 20, 40)
    assert first.macro_ap < 0.6
    assert (second.macro_ap, second.micro_f1) == (1.0, 1.0)


def test_decisions_are_those_that_were_made_whatever_the_threshold():
    said = [prediction(i, (0.3 if i < 5 else 0.2, 0.1), threshold=0.25) for i in range(10)]

    (window,) = progressive(said, truth(10, red=range(5)), OUTPUTS, 10)

    assert window.micro_f1 == 1.0


def test_products_the_truth_does_not_know_are_passed_over_but_counted():
    said = [prediction(i, (0.9, 0.1)) for i in range(20)]

    (window,) = progressive(said, truth(10, red=range(10)), OUTPUTS, 10)

    assert (window.arrivals, window.outputs) == (10, 1)


def test_outputs_with_few_positives_are_not_judged_by():
    said = [prediction(i, (0.9, 0.1)) for i in range(10)]

    (window,) = progressive(said, truth(10, red=range(5), shoe=range(4)), OUTPUTS, 10)

    assert window.outputs == 1


def test_a_last_window_counts_if_it_is_more_than_half_full():
    known = truth(40, red=range(40))

    sizes = [len(list(progressive([prediction(i, (1, 0)) for i in range(n)], known, OUTPUTS, 10))) for n in (15, 16)]

    assert sizes == [1, 2]


def test_outputs_that_came_later_count_as_nothing_before():
    said = [prediction(i, (0.1,)) for i in range(10)]

    (window,) = progressive(said, truth(10, shoe=range(5)), OUTPUTS, 10)

    assert (window.outputs, window.macro_ap, window.micro_f1) == (1, 0.5, 0.0)


def test_an_answer_outside_the_outputs_is_left_aside():
    (window,) = progressive([prediction(i, (1, 0)) for i in range(10)], truth(10, red=range(9), hat=[1]), OUTPUTS, 10)

    assert window.outputs == 1
