"""Asking stops for the sake of outputs that are shown to be good enough, down to the audit floor, and begins again."""

import dataclasses

import numpy as np
import pytest

from models.chance import combine, query_id
from models.coding import decode, encode
from models.features import featurise
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.messages import Prediction, Product, Query
from models.policies import POLICIES
from models.records import Record
from models.view import View
from service.deciding import Asking
from service.score import score
from service.stopping import Targets

OUTPUTS = ("red", "shoe", "rare")
SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=4, memory=200, batch=16, rehearsals=2)
PRODUCTS = [
    Product(id=f"p{i}", title=f"{('red', 'blue')[i % 2]} {('shoe', 'hat', 'bag')[i % 3]} {i}") for i in range(150)
]
TARGETS = Targets(precision=0.3, recall=0.3)


def taught():
    learner = Learner(OUTPUTS, SMALL, seed=0)
    targets = [np.array([i % 2 == 0, i % 3 == 0, i % 10 == 0], np.float32) for i in range(40)]
    lessons = [
        Lesson(query=str(i), product=PRODUCTS[i], targets=targets[i], chance=np.ones(3, np.float32)) for i in range(40)
    ]
    learner.update(1, lessons)
    return learner.snapshot()


SNAPSHOT = taught()
ASKING = Asking(
    policy=POLICIES["iwal"], unit="product", share=0.3, p_min=0.05, eta=0.05, key=b"k", stream="s", expires=1e6
)  # fmt: skip


def scored(**changes):
    records = [Record("products", 0, i, None, encode(product), 1.2e9) for i, product in enumerate(PRODUCTS)]
    asking = dataclasses.replace(ASKING, **changes)
    return score(records, SNAPSHOT, asking, scale=1.0, limit=10_000, now=1.2e9, clock=lambda: 0.0)


def test_with_all_outputs_finished_only_the_audit_floor_is_asked():
    result = scored(finished=frozenset(OUTPUTS))

    assert (set(result.chances.tolist()), result.target, result.scale) == ({0.05}, 0.05, 1.0)


def test_with_some_finished_the_whole_share_goes_to_the_others():
    result = scored(finished=frozenset({"red"}))

    assert result.target == 0.3
    assert result.chances.mean() == pytest.approx(0.3, rel=0.25)


def test_a_finished_output_weighs_nothing_in_the_chance_of_a_product():
    view = View.of(featurise(PRODUCTS, bits=SMALL.bits), SNAPSHOT)
    judged = dataclasses.replace(ASKING, finished=frozenset({"red"})).judge(view, 1.0)

    disagreement = ASKING.policy.disagreement(view)
    assert disagreement[:, 0].max() > 0.01
    assert judged.combined == pytest.approx(combine(disagreement[:, 1:]))


def test_a_finished_output_is_asked_at_the_floor_where_outputs_are_asked_one_by_one():
    result = scored(unit="output", finished=frozenset({"red"}))
    queries = [decode(Query, one.value) for one in result.outgoing if one.topic == "queries"]

    assert {query.chance["red"] for query in queries if "red" in query.ask} <= {0.05}
    assert max(query.chance.get("shoe", 0.0) for query in queries) > 0.05


def test_a_query_names_what_no_longer_counts():
    result = scored(finished=frozenset({"red"}), p_min=0.3)
    queries = [decode(Query, one.value) for one in result.outgoing if one.topic == "queries"]

    assert {tuple(query.because.finished) for query in queries} == {("red",)}


def answer(desk, *, right=True):
    """Ask about everything, and answer as the model has it, or the other way round; return what it decided positive."""
    result = scored(p_min=1.0, share=1.0)
    said = {}
    for one in result.outgoing:
        if one.topic == "predictions":
            prediction = decode(Prediction, one.value)
            said[query_id("s", prediction.arrival)] = {name: name in prediction.positive for name in OUTPUTS}
    told = [
        desk.record(one.topic, one.key.decode(), one.value) for one in result.outgoing if one.topic != "predictions"
    ]
    desk.tell(
        *told,
        *(
            desk.label(query, at=1.2e9, answers={k: yes is right for k, yes in answers.items()})
            for query, answers in said.items()
        ),
    )
    return {name for answers in said.values() for name, yes in answers.items() if yes}


def test_what_is_shown_to_be_good_enough_is_finished(desk):
    decided = answer(desk)

    assert TARGETS.met(desk.ledger.evidence) == decided != set()


def test_what_is_shown_to_be_wrong_is_not_finished(desk):
    answer(desk, right=False)

    assert TARGETS.met(desk.ledger.evidence) == frozenset()


def test_without_targets_nothing_is_ever_finished(desk):
    answer(desk)

    assert Targets().met(desk.ledger.evidence) == frozenset()


def test_a_new_epoch_begins_to_ask_again(desk):
    answer(desk)
    with desk.ledger.transaction():
        desk.ledger.evidence.open_epoch(OUTPUTS, "drift", 1.3e9)

    assert TARGETS.met(desk.ledger.evidence) == frozenset()


def test_an_empty_ledger_has_finished_nothing(desk):
    assert TARGETS.met(desk.ledger.evidence) == frozenset()
