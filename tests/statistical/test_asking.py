"""Properties of chances and draws that hold on average; every seed is fixed, every bound derived beside it.

Each has a companion that breaks the rule and must be caught by the same bound.
"""

import numpy as np
import pytest
from scipy.stats import kstest

from models.chance import Budget, draw
from models.hashing import name_hash, poisson_counts, uniforms
from models.policies import loss_difference

FLOOR = 0.05
RUNS, ARRIVALS = 1_000, 400


def estimates(weight) -> tuple[np.ndarray, float]:
    """Weighted mean losses of many runs in which the chance depends on the labels of that run so far."""
    random = np.random.default_rng(5)
    losses = random.beta(0.5, 2.0, ARRIVALS)
    guesses = np.clip(losses + random.normal(0, 0.2, ARRIVALS), 0, 1)
    found = np.zeros(RUNS)
    for run in range(RUNS):
        draws = uniforms(ARRIVALS, "asking", run)
        scale = 1.0
        for t in range(ARRIVALS):
            p = FLOOR + (1 - FLOOR) * min(1.0, scale * guesses[t])
            if draws[t] < p:
                found[run] += weight(p) * losses[t] / ARRIVALS
                scale = 0.98 * scale + 0.02 * 3 * losses[t]  # the past labels move the chance
    return found, float(losses.mean())


def off_by(weight) -> float:
    """How many standard errors the mean estimate lies from the truth."""
    found, truth = estimates(weight)
    return abs(found.mean() - truth) / (found.std() / RUNS**0.5)


def test_weighted_means_are_unbiased_though_the_chance_adapts_to_labels():
    assert off_by(lambda p: 1 / p) < 3.3  # two-sided 0.1 %


def test_clipped_weights_are_caught():
    assert off_by(lambda p: min(1 / p, 5.0)) > 3.3


def test_draws_are_uniform():
    draws = [draw(b"key", "shop", f"products/0/{i}") for i in range(20_000)]

    assert kstest(draws, "uniform").pvalue > 0.001


def test_draws_that_repeat_per_thousand_are_caught():
    draws = [draw(b"key", "shop", f"products/0/{i % 1000}") for i in range(20_000)]

    assert kstest(draws, "uniform").pvalue < 0.001


def bootstrap() -> np.ndarray:
    queries = np.array([name_hash("query", i) for i in range(2_000)], np.uint64)
    outputs = np.array([name_hash("output", k) for k in range(4)], np.uint64)
    return poisson_counts(queries, outputs, 8)


def test_bootstrap_counts_are_poisson_of_mean_and_variance_one():
    counts = bootstrap()
    n = counts.size

    assert abs(counts.mean() - 1) < 3.3 / n**0.5
    assert abs(counts.var() - 1) < 3.3 * (3 / n) ** 0.5  # fourth central moment 4, so the variance's variance is 3 / n
    assert abs((counts == 0).mean() - np.exp(-1)) < 3.3 * (np.exp(-1) * (1 - np.exp(-1)) / n) ** 0.5


def test_members_are_counted_independently():
    counts = bootstrap().reshape(-1, 8)
    correlations = np.corrcoef(counts.T)[np.triu_indices(8, 1)]

    assert np.abs(correlations).max() < 4.0 / len(counts) ** 0.5  # 28 pairs


def mean_chances(eta: float) -> tuple[float, float]:
    """Mean chance over the last third of a calm stretch, and of a stretch in which all disagree five times as much."""
    random = np.random.default_rng(7)
    budget = Budget(share=0.1, floor=0.02, eta=eta)
    calm = random.beta(0.3, 6.0, 6_000)
    tense = np.minimum(1.0, 5 * random.beta(0.3, 6.0, 6_000))
    return budget.chances_for(calm).product[4_000:].mean(), budget.chances_for(tense).product[4_000:].mean()


def test_the_budget_is_met_within_five_percent_before_and_after_a_fivefold_shift():
    assert mean_chances(eta=0.02) == pytest.approx((0.1, 0.1), rel=0.05)


def test_a_budget_that_does_not_feed_back_is_caught():
    assert mean_chances(eta=0.0) != pytest.approx((0.1, 0.1), rel=0.05)


OUTPUT_SHARE, STREAM = 0.04, 6_000


def tense_after_calm() -> np.ndarray:
    """Disagreements of three outputs, the first twice that of the others; after half the stream five times as much."""
    calm = np.random.default_rng(7).beta(0.3, 6.0, (STREAM, 3)) * (1.0, 0.5, 0.5)
    return np.minimum(1.0, calm * np.where(np.arange(STREAM) < STREAM / 2, 1.0, 5.0)[:, None])


def mean_chances_of_outputs(*, eta: float, scales: dict[int, float]) -> np.ndarray:
    """Mean chance of each output, the first with a share of its own."""
    budget = Budget(
        share=0.1, floor=0.02, eta=eta, scale=1.0, output_shares={0: OUTPUT_SHARE}, output_scales=dict(scales)
    )
    stream = tense_after_calm()
    chances = budget.chances_for(stream.mean(axis=1), stream)
    assert np.abs(np.log(chances.output_scales[:, 0])).max() < BETWEEN
    return chances.outputs.mean(axis=0)


# Every step moves the logarithm of the scale by eta * (1 - p / share), and here it stays within ln(100) of 0. So
# T steps have a mean chance that differs from the share by a part of ln(100) / (eta * T) at most.
BETWEEN = np.log(100)
OFF = BETWEEN / (0.02 * STREAM)


def test_the_share_of_an_output_is_met_through_a_fivefold_shift():
    assert mean_chances_of_outputs(eta=0.02, scales={})[0] == pytest.approx(OUTPUT_SHARE, rel=OFF)


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_the_share_of_an_output_without_feedback_is_caught(scale):
    assert mean_chances_of_outputs(eta=1e-12, scales={0: scale})[0] != pytest.approx(OUTPUT_SHARE, rel=OFF)


def test_what_an_output_may_not_spend_is_left_to_the_others():
    found = mean_chances_of_outputs(eta=0.02, scales={})

    # The general scale obeys the same rule; it starts at 1 and stays within ln(100) too.
    assert found.mean() == pytest.approx(0.1, rel=OFF)
    assert found[1:].min() > 2.5 * OUTPUT_SHARE


def estimates_of_an_output(weight) -> tuple[np.ndarray, float]:
    """Weighted means of an output with a share of its own, over many runs of coins, and what they estimate."""
    stream = tense_after_calm()[-RUNS:]
    chances = Budget(share=0.3, floor=FLOOR, output_shares={0: 0.1}).chances_for(stream.mean(axis=1), stream)
    losses = np.random.default_rng(5).beta(0.5, 2.0, RUNS)
    weighted = losses * weight(chances)
    draws = np.array([uniforms(RUNS, "asking an output", run) for run in range(RUNS)])
    return (weighted * (draws < chances.outputs[:, 0])).mean(axis=1), float(losses.mean())


def off_by_of_an_output(weight) -> float:
    found, truth = estimates_of_an_output(weight)
    return abs(found.mean() - truth) / (found.std() / RUNS**0.5)


def test_means_weighted_by_the_chance_of_the_output_are_unbiased():
    assert off_by_of_an_output(lambda chances: 1 / chances.outputs[:, 0]) < 3.3


def test_means_weighted_by_the_chance_of_its_product_are_caught():
    assert off_by_of_an_output(lambda chances: 1 / chances.product) > 3.3


def brute_force(members: np.ndarray, clip: float) -> float:
    clipped = np.clip(members, clip, 1 - clip)
    losses = np.stack([-np.log(clipped), -np.log(1 - clipped)])
    return float(max(a - b for row in losses for a in row for b in row) / np.log((1 - clip) / clip))


def sets_of_members() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    logits = random.normal(-3, 3, (10_000, 1, 5)) + random.normal(0, 1, (10_000, 1, 5))
    return 1 / (1 + np.exp(-logits)), np.array([0.01])


def test_the_loss_difference_in_closed_form_is_the_one_by_brute_force():
    members, clip = sets_of_members()

    expected = [brute_force(row[0], 0.01) for row in members]
    assert loss_difference(members.min(axis=2), members.max(axis=2), clip)[:, 0] == pytest.approx(expected, abs=1e-9)


def test_a_loss_difference_under_one_answer_alone_is_caught():
    members, _ = sets_of_members()
    clipped = np.clip(members[:, 0], 0.01, 0.99)

    yes_alone = np.log(clipped.max(axis=1) / clipped.min(axis=1)) / np.log(99)
    assert yes_alone != pytest.approx([brute_force(row[0], 0.01) for row in members], abs=1e-9)
