"""Properties of learning that hold on average or in the limit, each with a broken companion that must be caught."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from models.features import featurise
from models.hashing import uniforms
from models.learner import Learner, LearnerSettings, Lesson
from models.linear import Linear
from models.messages import Product
from models.policies import POLICIES
from models.reservoir import Reservoir
from models.view import View

ONE = np.ones(1, np.float32)
RATE, LENGTH, START = 0.5, 2.0, -1.0


def margins(weights: list[float], passes: int = 1) -> float:
    """The margin of one positive product after answers of these weights, started at -1; rate times length is one."""
    linear = Linear(1, 1)
    shares, scales = [np.zeros(1, np.float32)] * len(weights), [0.0] * len(weights)
    for _ in range(passes):
        for i, weight in enumerate(weights):
            shares[i], scales[i], _ = linear.learn(
                np.array([0]), ONE, ONE, ONE[:, None], shares[i], scales[i],
                bias=np.float32([START]), targets=ONE, cost=np.float32([RATE * weight]),
            )  # fmt: skip
    return START + float(linear.weights[0, 0] + linear.intercept[0])


@pytest.mark.slow
@pytest.mark.parametrize("times", [2, 5, 20, 100])
def test_an_answer_of_weight_h_is_h_answers(times):
    assert margins([float(times)]) == pytest.approx(margins([1.0] * times, passes=300), abs=1e-3)


def test_a_large_weight_never_throws_the_margin_far_beyond_what_its_answers_would():
    assert margins([100.0]) < 10.0


@pytest.mark.slow
def test_a_gradient_times_the_weight_is_caught():
    gradient_once = START + 100.0 * RATE * LENGTH / (1 + np.exp(START))

    assert gradient_once != pytest.approx(margins([1.0] * 100, passes=300), abs=1.0)


def inclusions(limit: int, offers: int, runs: int, withdrawn: range = range(0), broken: bool = False) -> np.ndarray:
    held = np.zeros(offers)
    for run in range(runs):
        reservoir = Reservoir(limit, f"run{run}")
        for slot in range(offers):
            if slot == offers // 2:
                for gone in withdrawn:
                    reservoir.withdraw(gone)
            if broken and len(reservoir.slots) == limit:
                reservoir.slots[int(uniforms(1, "broken", run, slot)[0] * limit)] = slot
            else:
                reservoir.offer(slot)
        held[reservoir.slots] += 1
    return held


@pytest.mark.slow
def test_every_offer_has_the_same_chance_of_being_held():
    assert chisquare(inclusions(limit=10, offers=50, runs=2_000)).pvalue > 0.001


@pytest.mark.slow
def test_a_sample_that_always_takes_the_newest_is_caught():
    assert chisquare(inclusions(limit=10, offers=50, runs=2_000, broken=True)).pvalue < 0.001


@pytest.mark.slow
def test_withdrawals_leave_the_chances_of_the_others_equal():
    held = inclusions(limit=10, offers=50, runs=2_000, withdrawn=range(3, 9))

    assert not held[3:9].any()
    assert chisquare(np.delete(held, range(3, 9))).pvalue > 0.001


KNOWN, FOREIGN = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"], ["one", "two", "three", "four", "five", "six"]
SETTINGS = LearnerSettings(bits=16, width=16, hidden=32, batch=64)


def described(words: list[str], number: int) -> Product:
    first, second, third = (int(6 * x) for x in uniforms(3, "words", number))
    return Product(id=str(number), title=f"{words[first]} {words[second]} {words[third]}")


def disagreements(settings: LearnerSettings) -> tuple[np.ndarray, np.ndarray]:
    """Disagreement on products like those learnt from, and on products of words never seen."""
    learner = Learner(("a", "b"), settings, seed=1)
    for batch in range(30):
        products = [described(KNOWN, batch * 10 + i) for i in range(10)]
        lessons = [
            Lesson(
                query=product.id,
                product=product,
                targets=np.array(["alpha" in product.title, "beta" in product.title], np.float32),
                chance=np.ones(2, np.float32),
            )
            for product in products
        ]
        learner.update(batch + 1, lessons)
    snapshot = learner.snapshot()
    return tuple(
        POLICIES["iwal"]
        .disagreement(
            View.of(featurise([described(words, 5_000 + i) for i in range(200)], bits=settings.bits), snapshot)
        )
        .mean(axis=1)
        for words in (KNOWN, FOREIGN)
    )


def separation(settings: LearnerSettings) -> float:
    """Share of pairs in which the unseen product is disagreed about more (the area under the curve)."""
    seen, unseen = disagreements(settings)
    return float((unseen[:, None] > seen[None, :]).mean())


def test_members_disagree_about_what_they_have_never_seen():
    assert separation(SETTINGS) > 0.9


def test_a_single_member_is_caught():
    assert separation(replace(SETTINGS, members=1)) < 0.9
