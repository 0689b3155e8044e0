from dataclasses import replace

import numpy as np
import pytest

from models.features import featurise
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.linear import solve
from models.messages import Product
from models.view import View

OUTPUTS = ("red", "shoe")
SMALL = LearnerSettings(bits=14, width=4, sketch=4, hidden=4, members=2, rehearsals=0, steps_per_lesson=0.1)
PRODUCTS = [Product(id=f"p{i}", title=f"{('red', 'blue', 'green')[i % 3]} {('shoe', 'hat')[i % 2]}") for i in range(60)]


def lesson(number, product, targets):
    targets = np.array(targets, np.float32)
    return Lesson(query=str(number), product=product, targets=targets, chance=np.full(2, 0.5, np.float32))


def taught(settings=SMALL):
    learner = Learner(OUTPUTS, settings, seed=0)
    learner.update(1, [lesson(i, product, [i % 3 == 0, i % 2 == 0]) for i, product in enumerate(PRODUCTS)])
    return learner


def view(learner, *titles):
    products = [Product(id=title, title=title) for title in titles]
    return View.of(featurise(products, bits=SMALL.bits), learner.snapshot())


def test_the_members_are_the_linear_path_where_the_network_has_no_part():
    seen = view(taught(replace(SMALL, mix=0.0, spread=0.0)), "red shoe", "never heard of", "")

    logits, _ = seen.linear_path
    assert seen.members[:, :, 0] == pytest.approx(1.0 / (1.0 + np.exp(-logits)), abs=1e-6)


@pytest.mark.parametrize("title", ["red shoe", "red never heard"])
def test_the_linear_path_moves_by_an_answer_as_far_as_was_said(title):
    learner = taught()
    logits, lengths = view(learner, title).linear_path
    targets = np.array([0.0, 1.0], np.float32)

    share = solve(logits[0], targets, np.full(2, SMALL.cost, np.float32), lengths[0])
    learner.update(2, [lesson("new", Product(id="n", title=title), targets)])

    assert view(learner, title).linear_path[0][0] == pytest.approx(logits[0] + lengths[0] * share, abs=0.4)


def test_a_model_without_a_linear_path_has_but_its_intercept():
    seen = view(taught(replace(SMALL, table_megabytes=1)), "red shoe", "")

    logits, lengths = seen.linear_path
    assert (logits[0].tolist(), lengths.tolist()) == (logits[1].tolist(), [[1.0, 1.0], [1.0, 1.0]])


def test_the_snapshot_knows_how_many_arrivals_its_answers_stand_for():
    assert taught().snapshot().arrivals.tolist() == [120.0, 120.0]


def test_the_scores_are_those_that_are_served():
    seen = view(taught(), "red shoe")

    assert np.array_equal(seen.scores, seen.snapshot.scores(seen.members))


def test_what_was_never_answered_about_is_wholly_new():
    assert view(taught(), "never heard of", "").novelty.tolist() == pytest.approx([1.0, 1.0])


def test_novelty_is_halved_by_one_twin_and_falls_with_each_further_one():
    learner, found = Learner(OUTPUTS, SMALL, seed=0), []
    for number in range(1, 4):
        learner.update(number, [lesson(number, Product(id=str(number), title="red shoe"), [1, 1])])
        found.append(float(view(learner, "red shoe").novelty[0]))

    assert found == pytest.approx([1 / 2, 1 / 3, 1 / 4])


def test_common_words_alone_make_nothing_familiar():
    twin, other = view(taught(), "red shoe", "red shoe with golden buckles").novelty

    assert twin < 0.1
    assert other > 0.6


def test_a_withdrawn_answer_makes_its_product_new_again():
    learner = taught()
    before = view(learner, "golden buckle").novelty
    learner.update(2, [lesson("new", Product(id="n", title="golden buckle"), [0, 0])])
    learner.update(3, [lesson("new", Product(id="n", title="golden buckle"), [np.nan, np.nan])])

    assert view(learner, "golden buckle").novelty == pytest.approx(before, abs=0.02)


def test_novelty_does_not_depend_on_the_arrivals_beside_it():
    titles = ["red shoe", "green hat with a feather", "", "never heard of"]

    together = view(taught(), *titles).novelty
    assert together.tolist() == [view(taught(), title).novelty[0] for title in titles]


def test_the_extremes_are_those_over_members_and_what_is_unknown_stays_so():
    members = np.random.default_rng(0).random((5, 3, 4), dtype=np.float32)
    members[2, 1, 2] = members[3, 2, 0] = np.nan
    seen = replace(view(taught(), *"abcde"), members=members)

    assert np.array_equal(seen.extremes[0], members.min(axis=2), equal_nan=True)
    assert np.array_equal(seen.extremes[1], members.max(axis=2), equal_nan=True)
