"""The whole story of an arrival, by whatever name it is asked for."""

import numpy as np
import pytest

from consumers.sqlite import SqliteReader
from models.coding import encode
from models.messages import Prediction, Reason, Rejection
from models.records import Outgoing
from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE
from producers.topics import topics
from service.explain import explain, scores_of


def prediction(number, product, *, asked=False, scores=(0.1, 0.9, 0.4), at=1.0e9):
    return Prediction(
        product=product, arrival=f"products/0/{number}", model=0, policy="iwal", positive={"shoe": 0.9},
        scores=np.asarray(scores, "<f4").tobytes(), chance=0.5, draw=0.2 if asked else 0.7, asked=asked, at=at + number,
    )  # fmt: skip


@pytest.fixture
def tell(tmp_path, desk):
    """A log in which p-q1 was asked about, a came twice and not, and one record was turned away."""
    writer = SqliteWriter(tmp_path / FILE, topics=topics(partitions=2), durable=False)
    said = [prediction(1, "p-q1", asked=True), prediction(2, "a"), prediction(3, "b"), prediction(4, "a")]
    refused = Rejection(
        topic="products", partition=0, offset=9, reason=Reason.UNDECODABLE, detail="no", payload=b"\xc1"
    )
    writer.publish(
        [
            *(Outgoing("predictions", one.product.encode(), encode(one)) for one in said),
            Outgoing("rejections", b"k", encode(refused)),
            Outgoing("predictions", b"k", b"\xc1"),
        ],
        None,
    )
    writer.close()

    def read(names, group, start):
        return SqliteReader(tmp_path / FILE, topics=names, group=group, start=start)

    def stories(identity, ledger=desk.ledger):
        return list(explain(identity, read, ledger))

    desk.tell(desk.query("q1"), desk.label("q1", "ann", answers={"red": True}), desk.label("q1", "bob", answers={}))
    return stories


@pytest.mark.parametrize("identity", ["q1", "p-q1", "products/0/1"])
def test_a_product_an_arrival_and_a_query_lead_to_the_same_story(tell, identity):
    (story,) = tell(identity)

    assert (story.arrival, story.prediction.product, story.kept.query.id) == ("products/0/1", "p-q1", "q1")


def test_a_story_tells_every_answer_and_the_batches_that_learnt(tell, desk):
    desk.tell(desk.label("q1", "ann", answers={"red": False}))

    (story,) = tell("q1")

    assert [(one.label.annotator, one.outcome.value) for one in story.answers] == [
        ("ann", "applied"), ("bob", "empty"), ("ann", "replaced"),
    ]  # fmt: skip
    assert (story.batches, story.kept.state.value) == ((1, 2), "answered")


def test_a_product_sent_twice_has_two_stories(tell):
    assert sorted(story.arrival for story in tell("a")) == ["products/0/2", "products/0/4"]


def test_an_arrival_that_was_not_asked_about_has_no_query(tell):
    (story,) = tell("b")

    assert (story.kept, story.answers, story.batches) == (None, (), ())


def test_without_a_ledger_the_log_is_told(tell):
    (story,) = tell("p-q1", None)

    assert (story.prediction.asked, story.kept) == (True, None)


def test_without_its_prediction_the_ledger_is_told(tell, desk):
    desk.tell(desk.query("q7"))

    (story,) = tell("q7")

    assert (story.arrival, story.prediction, story.kept.query.id) == ("products/0/7", None, "q7")


def test_a_record_that_was_turned_away_has_its_reason(tell):
    (story,) = tell("products/0/9")

    assert (story.prediction, story.rejection.reason, story.rejection.detail) == (None, "undecodable", "no")


def test_of_the_unknown_nothing_is_told(tell):
    assert tell("nobody") == []


def test_stories_know_their_time(tell, desk):
    desk.tell(desk.query("q7"))

    assert [tell(name)[0].at for name in ("b", "q7")] == [1.0e9 + 3, 1.0e9]


def test_scores_are_named_highest_first():
    assert scores_of(prediction(1, "a"), ("red", "shoe", "rare")) == pytest.approx(
        {"shoe": 0.9, "rare": 0.4, "red": 0.1}
    )


def test_scores_of_other_outputs_than_those_known_are_not_named():
    assert scores_of(prediction(1, "a"), ("red",)) == {}
