import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from models.evaluation import average_precision, judged, macro_average_precision, micro_f1


def drawn(seed: int, ties: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = (random.integers(0, ties, (300, 6)) / ties).astype(np.float32)
    return scores, random.random((300, 6)) < np.array([0.001, 0.02, 0.1, 0.3, 0.5, 0.9])


@pytest.mark.parametrize("ties", [3, 50, 10**6])
def test_average_precision_is_that_of_scikit_learn_ties_included(ties):
    scores, positive = drawn(1, ties)

    expected = [average_precision_score(positive[:, k], scores[:, k]) for k in range(2, 6)]
    assert [average_precision(scores[:, k], positive[:, k]) for k in range(2, 6)] == pytest.approx(expected)


def test_outputs_with_fewer_than_five_positives_are_not_judged():
    positive = np.zeros((10, 3), np.bool_)
    positive[:4, 0], positive[:5, 2] = True, True

    assert judged(positive).tolist() == [2]


def test_the_macro_average_is_over_judged_outputs_alone():
    scores, positive = drawn(2, 50)

    expected = np.mean([average_precision_score(positive[:, k], scores[:, k]) for k in judged(positive)])
    assert macro_average_precision(scores, positive) == pytest.approx(expected)


def test_micro_f1_is_that_of_scikit_learn_on_judged_outputs():
    scores, positive = drawn(3, 50)
    columns = judged(positive)

    expected = f1_score(positive[:, columns], scores[:, columns] > 0.5, average="micro")
    assert micro_f1(scores > 0.5, positive) == pytest.approx(expected)


def test_without_any_judged_output_there_is_no_average():
    assert np.isnan(macro_average_precision(np.zeros((3, 2), np.float32), np.zeros((3, 2), np.bool_)))
