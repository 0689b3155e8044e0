"""The learner keeps river's conventions."""

import doctest
import functools

import pytest
from river import checks, evaluate, metrics
from river.datasets.base import MO_BINARY_CLF, SyntheticDataset

from models import river_classifier
from models.river_classifier import AskanceClassifier, as_product

MODEL = AskanceClassifier(members=2, memory=200, bits=12)


class Offers(SyntheticDataset):
    """Texts, numbers and flags with two labels each; river's own multi-label data would have to be fetched."""

    def __init__(self):
        super().__init__(task=MO_BINARY_CLF, n_features=4, n_samples=60, n_outputs=2)

    def __iter__(self):
        for i in range(60):
            x = {"title": f"{('red', 'blue')[i % 2]} thing {i}", "price": 1.5 * i, "weight": i / 7, "used": i % 3 == 0}
            yield x, {"red": i % 2 == 0, "second-hand": i % 3 == 0}


def bound_to_offers(check):
    """The same check on our data where river binds it to data of its own."""
    return functools.partial(check.func, dataset=Offers()) if isinstance(check, functools.partial) else check


CHECKS = {check.__name__: bound_to_offers(check) for check in checks.yield_checks(MODEL)}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_rivers_own_checks_pass(name):
    CHECKS[name](MODEL.clone())


def test_the_example_in_its_documentation_runs():
    assert doctest.testmod(river_classifier).failed == 0


def test_it_learns_what_goes_with_what():
    model = MODEL.clone()
    for i in range(40):
        model.learn_one({"title": f"{('red', 'blue')[i % 2]} thing {i}"}, {"red": i % 2 == 0})

    assert [model.predict_one({"title": f"{colour} thing"})["red"] for colour in ("red", "blue")] == [True, False]


def test_a_label_that_comes_later_keeps_what_was_learnt():
    model = MODEL.clone()
    for i in range(40):
        model.learn_one({"title": f"{('red', 'blue')[i % 2]} thing {i}"}, {"red": i % 2 == 0})

    model.learn_one({"title": "green thing"}, {"red": False, "green": True})

    assert (sorted(model.predict_proba_one({"title": "red"})), model.predict_one({"title": "red thing"})["red"]) == (
        ["green", "red"],
        True,
    )


def test_a_missing_label_is_not_no():
    one, other = MODEL.clone(), MODEL.clone()
    for model in (one, other):
        model.learn_one({"title": "a"}, {"red": True, "shoe": False})
    one.learn_one({"title": "b"}, {"red": False})
    other.learn_one({"title": "b"}, {"red": False, "shoe": False})

    assert one.predict_proba_one({"title": "b"})["shoe"][True] > other.predict_proba_one({"title": "b"})["shoe"][True]


def test_the_order_of_features_does_not_matter():
    assert as_product({"title": "a", "size": 3, "soft": True}) == as_product({"soft": True, "size": 3, "title": "a"})


def test_it_works_in_rivers_own_loop():
    metric = metrics.multioutput.MicroAverage(metrics.F1())

    evaluate.progressive_val_score(Offers(), MODEL.clone(), metric)

    assert metric.get() > 0.5
