"""What is special about river classifiers as the model; what they share with ours is in tests/contract."""

from dataclasses import replace

import numpy as np
import pytest
from river import dummy

from models.features import featurise
from models.hashing import name_hash, poisson_counts
from models.lessons import LearnerSettings, Lesson
from models.messages import Product
from models.river_learner import RiverLearner
from models.river_models import logistic, multi_label, said

OUTPUTS = ("red", "shoe", "rare")
SMALL = LearnerSettings(kind="river", river_bits=12, river_members=3, river_rehearsals=0)


class Told:
    """A classifier that only takes down what it was told."""

    def __init__(self):
        self.lessons = []

    def learn_one(self, x, y):
        self.lessons.append((x, y))

    def predict_proba_one(self, x):  # noqa: ARG002 - river's
        return {}


def lesson(query="q", targets=(1.0, 0.0, 0.0), chance=1.0):
    return Lesson(
        query=query, product=Product(id=query, title=f"red shoe {query}"), targets=np.array(targets, np.float32),
        chance=np.full(3, chance, np.float32),
    )  # fmt: skip


def told(settings, *batches):
    learner = RiverLearner(OUTPUTS, settings, make=Told, seed=0)
    for number, lessons in enumerate(batches, 1):
        learner.update(number, lessons)
    return learner, [member.lessons for member in learner._classifiers]


def test_each_member_is_told_every_answer_a_poisson_number_of_times():
    queries = [f"q{i}" for i in range(200)]
    _, members = told(SMALL, [lesson(query) for query in queries])
    hashes = np.array([name_hash(query) for query in queries], np.uint64)
    counts = poisson_counts(hashes, np.array([name_hash("river")], np.uint64), 3)[:, 0]

    assert [len(lessons) for lessons in members] == counts.sum(axis=0).tolist()


def test_missing_answers_are_left_out_and_none_is_made_up():
    _, members = told(SMALL, [lesson(f"q{i}", targets=(1.0, np.nan, 0.0)) for i in range(20)])

    assert {tuple(y.items()) for lessons in members for _, y in lessons} == {(("red", True), ("rare", False))}


def test_a_share_of_yes_is_yes_to_about_that_share_of_members():
    settings = replace(SMALL, river_members=256)
    _, members = told(settings, [lesson(f"q{i}", targets=(0.25, 1.0, 0.0)) for i in range(20)])
    answers = [y["red"] for lessons in members for _, y in lessons]

    # One draw per query and member, 5,120 of them, some told more than once: a standard error below 0.01.
    assert np.mean(answers) == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("weights", ["none", "clipped", "full"])
def test_a_rarely_asked_answer_is_told_more_often_only_where_set(weights):
    settings = replace(SMALL, river_members=256, weights=weights)
    others = [lesson(f"q{i}") for i in range(9)]
    before, after = (
        sum(map(len, told(settings, *batches)[1])) for batches in ([others], [others, [lesson("rarely", chance=0.1)]])
    )

    # About 256 times at an even weight; here it is 5.3 of the mean, or the clip of 3.
    assert (after - before > 2 * 256) == (weights != "none")


def test_a_correction_is_learnt_on_top_and_counted_once():
    learner, members = told(SMALL, [lesson("q", (1.0, 0.0, 0.0))], [lesson("q", (0.0, 1.0, 0.0))])

    assert learner.state()["counts/plain"][:, 0].tolist() == [0.0, 1.0]
    assert all({y["red"] for _, y in lessons} in (set(), {True, False}) for lessons in members)


def test_rehearsed_answers_are_those_remembered():
    _, members = told(replace(SMALL, river_rehearsals=2), [lesson("q0")], [lesson("q1")])
    _, without = told(SMALL, [lesson("q0")], [lesson("q1")])

    assert sum(map(len, members)) > sum(map(len, without))


def test_an_output_that_a_classifier_knows_nothing_of_is_as_likely_as_it_is_common():
    features = featurise([Product(id="p", title="red shoe")], bits=12)
    prevalence = np.array([0.5, 0.2, 0.01], np.float32)

    assert said([logistic(), Told()], OUTPUTS, features, prevalence)[0].T.tolist() == [prevalence.tolist()] * 2


def test_a_binary_classifier_becomes_one_for_each_output():
    model = multi_label(dummy.PriorClassifier())
    model.learn_one({1: 1.0}, {"red": True, "shoe": False})

    assert sorted(model.predict_proba_one({1: 1.0})) == ["red", "shoe"]
