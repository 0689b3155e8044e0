from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq

from models.features import featurise
from models.hashing import uniforms
from models.iwal_cal import IwalCal, chance, crossing
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.linear import solve
from models.messages import Product
from models.view import View

SMALL = LearnerSettings(bits=14, width=4, sketch=4, hidden=4, members=2)
TITLES = ("red shoe", "blue hat", "red never heard", "")
WORSE = np.array([1e-5, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0])
TOLERATED = np.array([1e-9, 1e-6, 1e-4, 1e-3, 1e-2])
BOTH = [array.ravel() for array in np.meshgrid(WORSE, TOLERATED)]


def literal(worse, tolerated):
    """As it stands in the C++ of Vowpal Wabbit: divided by two, then multiplied by G."""
    return np.minimum(1.0, ((np.sqrt(tolerated) + np.sqrt(tolerated + 4 * worse * tolerated)) / 2 * worse) ** 2)


def solved(worse, tolerated):
    """The equation's root by bisection; 1 below the threshold."""
    if worse <= np.sqrt(tolerated) + tolerated:
        return 1.0
    root = brentq(lambda r: r * np.sqrt(tolerated) + r * r * tolerated - worse, 0.5, 1e9, xtol=1e-15, rtol=1e-14)
    return root**-2


def view(answers=60, **changes):
    settings = replace(SMALL, **changes)
    learner = Learner(("red", "shoe"), settings, seed=0)
    lessons = [
        Lesson(
            query=str(i),
            product=Product(id=str(i), title=f"{('red', 'blue', 'green')[i % 3]} {('shoe', 'hat')[i % 2]} {i}"),
            targets=np.array([i % 3 == 0, i % 2 == 0], np.float32),
            chance=np.full(2, 0.5, np.float32),
        )
        for i in range(answers)
    ]
    learner.update(1, lessons)
    products = [Product(id=title, title=title) for title in TITLES]
    return View.of(featurise(products, bits=settings.bits), learner.snapshot())


def test_the_closed_form_is_the_root_of_the_equation():
    expected = [solved(g, e) for g, e in zip(*BOTH, strict=True)]

    assert np.abs(chance(*BOTH) - expected).max() < 1e-9


def test_the_chance_is_continuous_at_the_threshold():
    threshold = np.sqrt(TOLERATED) + TOLERATED

    assert chance(threshold * (1 - 1e-9), TOLERATED).tolist() == [1.0] * len(TOLERATED)
    assert chance(threshold * (1 + 1e-9), TOLERATED) == pytest.approx(1.0, abs=1e-8)


def test_the_chance_falls_with_what_is_lost_and_rises_with_what_is_tolerated():
    chances = chance(*BOTH).reshape(len(TOLERATED), len(WORSE))

    assert (np.diff(chances, axis=1) <= 0).all()
    assert (np.diff(chances, axis=0) >= 0).all()


def test_vowpal_wabbits_literal_formula_is_not_what_is_used():
    # Its figures of 10,000 and 100,000 arrivals, beside those that the equation asks for.
    worse, arrivals = np.array([0.05, 0.10, 0.02]), np.array([1e4, 1e4, 1e5])
    tolerated = (np.log(arrivals + 1) + 1e-4) / (arrivals + 1e-4)

    assert literal(worse, tolerated) == pytest.approx([2.5e-06, 1.1e-05, 4.8e-08], rel=0.03)
    assert chance(worse, tolerated) == pytest.approx([0.404, 0.110, 0.299], rel=0.01)


def test_an_answer_of_the_weight_found_brings_the_logit_to_the_threshold():
    seen = view(calibration="none")
    logits, lengths = seen.linear_path
    contrary = np.where(logits > 0.0, 0.0, 1.0).astype(np.float32)

    cost = (seen.snapshot.cost * crossing(seen)).astype(np.float32)
    shares = np.stack([solve(logits[i], contrary[i], cost[i], lengths[i]) for i in range(len(TITLES))])

    assert logits + lengths * shares == pytest.approx(0.0, abs=1e-5)


def test_a_served_threshold_off_one_half_is_the_boundary_through_the_calibration():
    seen = view()
    scaling = seen.snapshot.scaling._replace(slope=np.array([2.0, 1.0]), shift=np.array([-1.0, 0.0]))
    moved = replace(seen, snapshot=replace(seen.snapshot, scaling=scaling, thresholds=np.array([0.2, 0.9], np.float32)))
    boundary = np.array([(np.log(0.25) + 1.0) / 2.0, np.log(9.0)])

    logits, lengths = moved.linear_path
    contrary = np.where(logits > boundary, 0.0, 1.0).astype(np.float32)
    cost = (moved.snapshot.cost * crossing(moved)).astype(np.float32)
    shares = np.stack([solve(logits[i], contrary[i], cost[i], lengths[i]) for i in range(len(TITLES))])

    assert logits + lengths * shares == pytest.approx(np.tile(boundary, (len(TITLES), 1)), abs=1e-5)


def test_what_is_nearer_the_threshold_is_disagreed_about_more():
    seen = view()

    order = np.argsort(crossing(seen)[:, 0])
    assert (np.diff(IwalCal().disagreement(seen)[order, 0]) <= 0).all()


def test_before_any_answer_everything_is_worth_asking_about():
    learner = Learner(("red", "shoe"), SMALL, seed=0)
    seen = View.of(featurise([Product(id="p", title="red shoe")], bits=SMALL.bits), learner.snapshot())

    assert IwalCal().disagreement(seen).tolist() == [[1.0, 1.0]]


def test_disagreement_lies_between_nothing_and_one_at_any_mellowness():
    seen = view()

    for mellowness in 10.0 ** (-12 * uniforms(20, "mellowness")):
        found = IwalCal(float(mellowness)).disagreement(seen)
        assert ((found > 0.0) & (found <= 1.0)).all()
