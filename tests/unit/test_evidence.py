"""Arrivals are evaluated once all that was asked of them is settled, once, whatever the order of what comes in."""

import numpy as np
import pytest

from models.chance import query_id
from models.coding import decode, encode
from models.learner import Learner
from models.lessons import Lesson
from models.messages import Prediction, Product
from models.policies import POLICIES
from models.records import Record
from service.deciding import Asking
from service.report import section
from service.score import score
from shared.evidence import OUTPUTS, SCORES, SMALL, YES, known, label, query, sums, tally


def test_arrivals_nobody_was_asked_about_are_evaluated_at_once(desk):
    learnt = desk.tell(tally(desk, 0, 9, 0))

    assert (learnt.evaluated, known(desk)) == (10, {"arrivals": 10.0})


def test_arrivals_wait_for_the_answer(desk):
    asked = desk.tell(tally(desk, 0, 9, 1), query(desk, 4))
    answered = desk.tell(label(desk, 4, YES))

    assert (asked.evaluated, answered.evaluated) == (0, 10)
    assert known(desk) == {
        "arrivals": 10.0, "correction_positive": 1.0, "yes_positive": 1.0, "answered_positive": 1.0
    }  # fmt: skip


def test_arrivals_wait_for_a_query_that_is_not_read_yet(desk):
    early = desk.tell(tally(desk, 0, 9, 1))
    asked = desk.tell(query(desk, 4))
    answered = desk.tell(label(desk, 4, YES))

    assert (early.evaluated, asked.evaluated, answered.evaluated) == (0, 0, 10)


def test_a_query_that_is_lost_holds_nothing_up_once_the_log_is_read(desk):
    learnt = desk.tell(tally(desk, 0, 9, 1), caught_up=True)

    epoch = desk.ledger.evidence.epoch()
    assert (learnt.evaluated, epoch.asked, epoch.lost) == (10, 1, 1)


def test_a_query_of_another_model_counts_as_lost(desk):
    desk.tell(tally(desk, 0, 9, 1), query(desk, 4, scores={"red": 0.75}), label(desk, 4, YES))

    assert desk.ledger.evidence.epoch().lost == 1


def test_quick_answers_do_not_overtake(desk):
    desk.tell(tally(desk, 0, 299, 1), query(desk, 4), tally(desk, 300, 599, 1), query(desk, 304))

    second = desk.tell(label(desk, 304, YES))
    first = desk.tell(label(desk, 4, YES))

    assert (second.evaluated, first.evaluated) == (0, 600)


def test_partitions_do_not_wait_for_each_other(desk):
    desk.tell(tally(desk, 0, 9, 1), query(desk, 4))

    assert desk.tell(tally(desk, 0, 9, 0, partition=1)).evaluated == 10


@pytest.mark.parametrize("how", ["skipped", "expired", "withdrawn"])
def test_what_is_given_up_is_evaluated_as_not_answered(desk, how):
    desk.tell(tally(desk, 0, 9, 1), query(desk, 4, expires_at=1.15e9))

    if how == "skipped":
        desk.tell(label(desk, 4, skipped=True))
    elif how == "expired":
        desk.tell(caught_up=True)
    else:
        desk.tell(desk.withdrawal("q0/4"))

    found = sums(desk)
    assert found.of("asked_positive").tolist() == [1.0, 1.0, 0.0]
    assert found.of("answered_positive").tolist() == [0.0, 0.0, 0.0]
    assert found.of("unanswered_weight_positive").tolist() == [4.0, 4.0, 0.0]


def test_an_unsure_answer_is_no_answer_to_that_output_alone(desk):
    desk.tell(tally(desk, 0, 9, 1), query(desk, 4), label(desk, 4, YES | {"red": None}))

    assert sums(desk).of("answered_positive").tolist() == [0.0, 1.0, 0.0]


def test_outputs_asked_one_by_one_have_weights_of_their_own(desk):
    chances = {"red": 0.5, "rare": 0.125}
    desk.tell(tally(desk, 0, 9, 1), query(desk, 4, chance=chances, ask=("red", "rare")), label(desk, 4, YES))

    assert sums(desk).of("weight").tolist() == [2.0, 0.0, 8.0]


def test_a_step_that_fails_leaves_the_evidence_as_it_was(desk):
    desk.tell(tally(desk, 0, 9, 1), query(desk, 4))

    def step():
        with desk.ledger.transaction():
            desk.ledger.expire(9e9)
            desk.ledger.evidence.advance(caught_up=True)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        step()

    assert (desk.ledger.evidence.epoch().n, desk.ledger.evidence.waiting()) == (0, (10, 1e9))


def test_small_blocks_that_must_wait_are_kept_as_few(desk):
    desk.tell(tally(desk, 0, 0, 1), query(desk, 0), *(tally(desk, i, i, 0) for i in range(1, 1_000)))

    blocks = desk.ledger._sql.execute("SELECT count(*), sum(n) FROM blocks").fetchone()
    assert blocks == (4, 1_000)


def test_other_outputs_are_evaluated_by_themselves(desk, new_desk):
    desk.tell(tally(desk, 0, 9, 0))
    desk.ledger.close()
    renewed = new_desk()
    with renewed.ledger.transaction():
        renewed.ledger.batches.add_outputs(("red", "new"), 1.05e9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCORES, "new", 0.25)
        renewed.tell(tally(renewed, 10, 14, 0, outputs=("red", "new"), at=1.1e9), tally(renewed, 15, 16, 0))

    epochs = renewed.ledger.evidence.epochs()
    assert [(epoch.reason, epoch.outputs, epoch.n) for epoch in epochs] == [
        ("first outputs", OUTPUTS, 12),
        ("outputs changed", ("red", "new"), 5),
    ]


def test_an_epoch_takes_what_was_scored_since_it_opened(desk):
    desk.tell(tally(desk, 0, 9, 1, at=1.0e9), query(desk, 4))
    with desk.ledger.transaction():
        desk.ledger.evidence.open_epoch(OUTPUTS, "drift", 1.1e9)

    late = tally(desk, 0, 9, 0, at=1.05e9, partition=1)
    desk.tell(tally(desk, 10, 14, 0, at=1.2e9), late, label(desk, 4, YES))

    assert [epoch.n for epoch in desk.ledger.evidence.epochs()] == [20, 5]


def test_arrivals_scored_a_second_time_are_not_evaluated_again(desk):
    desk.tell(tally(desk, 0, 9, 0), tally(desk, 10, 19, 1), query(desk, 14))

    desk.tell(tally(desk, 0, 9, 0), tally(desk, 15, 24, 0), tally(desk, 25, 29, 0), label(desk, 14, YES))

    assert desk.ledger.evidence.epoch().n == 25


@pytest.mark.parametrize("unit", ["product", "output"])
def test_what_is_scored_asked_and_answered_throughout_is_known_exactly(desk, unit):
    """From the scorer's own records to the figures: all asked, so the estimates are the truth itself."""
    asking = Asking(
        policy=POLICIES["iwal"], unit=unit, share=1.0, p_min=1.0, eta=0.02, key=b"k", stream="s", expires=1e6
    )  # fmt: skip
    products = [Product(id=f"p{i}", title=f"{('red', 'blue')[i % 2]} shoe {i}") for i in range(90)]
    truth = [{"red": i % 2 == 0, "shoe": i % 3 == 0, "rare": i % 10 == 0} for i in range(90)]
    teacher = Learner(OUTPUTS, SMALL, seed=0)
    targets = [np.array(list(answers.values()), np.float32) for answers in truth]
    lessons = [
        Lesson(query=str(i), product=products[i], targets=targets[i], chance=np.ones(3, np.float32)) for i in range(40)
    ]
    teacher.update(1, lessons)
    records = [Record("products", i % 2, i // 2, None, encode(products[i]), 1.2e9) for i in range(90)]

    scored = score(records, teacher.snapshot(), asking, scale=1.0, limit=10_000, now=1.2e9, clock=lambda: 0.0)
    predictions = [decode(Prediction, one.value) for one in scored.outgoing if one.topic == "predictions"]
    told = [
        desk.record(one.topic, one.key.decode(), one.value) for one in scored.outgoing if one.topic != "predictions"
    ]
    labels = [desk.label(query_id("s", f"products/{i % 2}/{i // 2}"), at=1.2e9, answers=truth[i]) for i in range(90)]
    desk.tell(*told, *labels)

    by_name = {output.output: output for output in section(desk.ledger.evidence.epoch()).outputs}
    decided = {(prediction.arrival, name) for prediction in predictions for name in prediction.positive}
    for name in OUTPUTS:
        positive = [(f"products/{i % 2}/{i // 2}", name) in decided for i in range(90)]
        true = [answers[name] for answers in truth]
        hits = sum(p and t for p, t in zip(positive, true, strict=True))
        found = by_name[name]
        assert found.prevalence.estimate == pytest.approx(sum(true) / 90, abs=1e-5)
        assert found.recall.estimate == pytest.approx(hits / sum(true), abs=1e-5)
        assert found.positive == sum(positive)
    assert by_name["red"].positive


def test_without_a_single_query_nothing_is_said_of_the_quality(desk):
    desk.tell(tally(desk, 0, 999, 0))

    red = section(desk.ledger.evidence.epoch()).outputs[0]
    assert (red.precision.lower, red.precision.upper, red.prevalence.upper) == (0.0, 1.0, 1.0)


def test_the_least_chance_of_an_epoch_is_what_its_queries_say(desk):
    desk.tell(tally(desk, 0, 9, 1), query(desk, 4), label(desk, 4, YES))

    assert desk.ledger.evidence.epoch().floor == 0.125
