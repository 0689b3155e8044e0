import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from models.linear import Linear, solve

RANDOM = np.random.default_rng(1)
COUNTS = RANDOM.random((40, 12), np.float32) * (RANDOM.random((40, 12)) < 0.5) + np.float32(0.01)
TRUTH = (COUNTS[:, 0] > COUNTS[:, 1]).astype(np.float32)
ROWS = np.arange(12)
EVEN = np.ones(12, np.float32)
NO_BIAS = np.zeros(1, np.float32)


def trained(passes: int, cost: float, weights: np.ndarray | None = None, order: list[int] | None = None) -> Linear:
    linear = Linear(12, 1)
    share, scale = np.zeros((40, 1), np.float32), np.zeros(40)
    weights = np.ones(40) if weights is None else weights
    for _ in range(passes):
        for i in order or range(40):
            share[i], scale[i], _ = linear.learn(
                ROWS, COUNTS[i], EVEN, EVEN[:, None], share[i], scale[i],
                bias=NO_BIAS, targets=TRUTH[i : i + 1], cost=np.float32([cost * weights[i]]),
            )  # fmt: skip
    return linear


def test_the_share_solves_its_equation():
    outside, targets = np.float32([-3.0, 0.0, 4.0, 30.0]), np.float32([1.0, 0.3, 0.0, 0.0])
    share = solve(outside, targets, np.full(4, 30.0, np.float32), 2.0).astype(np.float64)

    logits = outside + 2.0 * share
    assert share == pytest.approx(30.0 * (targets - 1.0 / (1.0 + np.exp(-logits))), abs=1e-3)


def test_passes_over_the_answers_reach_the_regularised_optimum_of_scikit_learn():
    linear = trained(200, 5.0)
    scaled = np.hstack([COUNTS / np.linalg.norm(COUNTS, axis=1, keepdims=True), np.ones((40, 1))])
    reference = LogisticRegression(C=5.0, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(csr_array(scaled), TRUTH)

    ours = np.append(linear.weights[:, 0], linear.intercept)
    assert ours == pytest.approx(reference.coef_[0], abs=2e-3)


@pytest.mark.slow
def test_learning_again_what_is_fitted_changes_nothing():
    fitted = trained(200, 5.0)

    assert trained(201, 5.0).weights == pytest.approx(fitted.weights, abs=1e-4)


def test_a_forgotten_answer_leaves_the_weights_as_they_were():
    linear = trained(3, 5.0)
    before = linear.weights.copy()
    share, scale, _ = linear.learn(
        ROWS, COUNTS[0], EVEN * 2, EVEN[:, None] * 3, np.zeros(1, np.float32), 0.0,
        bias=NO_BIAS, targets=np.ones(1, np.float32),
        cost=np.float32([5.0]),
    )  # fmt: skip
    linear.forget(ROWS, COUNTS[0], share, scale)

    assert linear.weights == pytest.approx(before, abs=1e-6)


def test_the_logits_returned_leave_the_answers_own_share_out():
    linear = Linear(12, 1)
    learn = {"bias": NO_BIAS, "targets": np.ones(1, np.float32), "cost": np.float32([5.0])}
    share, scale, first = linear.learn(ROWS, COUNTS[0], EVEN, EVEN[:, None], np.zeros(1, np.float32), 0.0, **learn)
    _, _, again = linear.learn(ROWS, COUNTS[0], EVEN, 2 * EVEN[:, None], share, scale, **learn)

    assert (first.item(), again.item()) == pytest.approx((0.0, 0.0), abs=1e-5)


def test_a_missing_answer_moves_nothing():
    linear = Linear(12, 1)
    linear.learn(
        ROWS, COUNTS[0], EVEN, EVEN[:, None], np.zeros(1, np.float32), 0.0,
        bias=NO_BIAS, targets=np.full(1, np.nan, np.float32),
        cost=np.float32([5.0]),
    )  # fmt: skip

    assert not linear.weights.any()
    assert not linear.intercept.any()


def test_a_likeness_speaks_for_yes_from_the_start_and_answers_move_its_weight():
    linear = Linear(12, 1, named=5.0, pace=4.0)
    like = np.float32([0.5])
    share, scale, outside = linear.learn(
        ROWS, COUNTS[0], EVEN, EVEN[:, None], np.zeros(1, np.float32), 0.0,
        bias=NO_BIAS, targets=np.zeros(1, np.float32), cost=np.float32([5.0]), likeness=like,
    )  # fmt: skip

    assert outside.tolist() == [2.5]
    assert linear.named == pytest.approx(5.0 + 4.0 * 0.5 * share)
    assert share[0] < 0.0
    linear.forget(ROWS, COUNTS[0], share, scale, like)
    assert linear.named == pytest.approx([5.0])
