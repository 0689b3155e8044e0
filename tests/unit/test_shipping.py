"""The model on its way: what arrives says the same to the bit."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.sqlite import SqliteReader
from models.learner import Learner
from models.records import Position
from models.shipping import Receiver, Shipper
from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE
from producers.topics import Topic as LogTopic
from shared.lessons import OUTPUTS, SMALL, lesson, product, taught, withdrawn
from shared.wire import ORDERS, Topic, orders, said

pytestmark = pytest.mark.usefixtures("one_thread")

RIVER = replace(SMALL, kind="river", river_members=3, river_bits=12)
KINDS = {
    "askance": SMALL,
    "no linear path": replace(SMALL, table_megabytes=1),
    "networks of their own": replace(SMALL, joint=False),
    "shared heads": replace(SMALL, heads="shared", rarity=False),
    "river": RIVER,
}
OTHERS = (OUTPUTS, ("hat", "new", "red"), ("red",))


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(scope="module")
def snapshots():
    """Of eleven batches, one after the other."""
    learner = taught(4)
    made = [learner.snapshot()]
    for number in range(5, 15):
        learner.update(number, [lesson(number)])
        made.append(learner.snapshot())
    return made


@pytest.mark.parametrize("batches", [0, 6])
def test_a_full_shipment_says_the_same_to_the_bit(kind, batches):
    snapshot, receiver = taught(batches, kind).snapshot(), Receiver()

    received = receiver.take(Topic().publish(Shipper().ship(snapshot, ORDERS)))
    assert (said(received.snapshot), received.orders) == (said(snapshot), ORDERS)


def test_increments_say_the_same_to_the_bit(kind):
    learner, topic, receiver, shipper = taught(3, kind), Topic(), Receiver(), Shipper()
    for number in range(4, 9):
        learner.update(number, [lesson(number * 5), withdrawn(f"q{number * 4}")])
        received = receiver.take(topic.publish(shipper.ship(learner.snapshot(), ORDERS)))

        assert said(received.snapshot) == said(learner.snapshot())


class Lengths:
    """Texts by their length and their first letter."""

    dimensions, knows_names = 3, True

    def embed(self, texts):
        return np.array([(len(text), ord(text[:1] or " ") - 80, 1) for text in texts], np.int8).reshape(-1, 3)


def test_weights_of_embeddings_come_along():
    learner, topic, receiver, shipper = (
        Learner(OUTPUTS, SMALL, seed=1, encoder=Lengths()),
        Topic(),
        Receiver(),
        Shipper(),
    )
    features = learner.read([product(number) for number in range(9)])
    for number in range(1, 5):
        learner.update(number, [lesson(number)])
        received = receiver.take(topic.publish(shipper.ship(learner.snapshot(), ORDERS)))

        assert np.array_equal(received.snapshot.members(features), learner.snapshot().members(features))
    assert features.embeddings.shape == (9, 3)
    assert np.abs(received.snapshot.encoded).max() > 0.0


def taken(learner, step):
    """Let the learner make one of the steps that there are."""
    number, (what, which) = learner.version + 1, step
    if what == "outputs":
        learner.change_outputs(number, OTHERS[which % len(OTHERS)])
    elif what == "recalibrate":
        learner.recalibrate(number, which)
    elif what == "answers":
        width = len(learner.outputs)
        lessons = [lesson(which * 7 + i) for i in range(which % 4)] + [withdrawn(f"q{which}")]
        learner.update(number, [replace(one, targets=np.resize(one.targets, width), chance=np.resize(one.chance, width))
                                for one in lessons])  # fmt: skip


STEPS = st.tuples(
    st.sampled_from(["answers", "answers", "answers", "outputs", "recalibrate", "same"]), st.integers(0, 90)
)


@pytest.mark.parametrize("rows", [None, 120], ids=["room", "crowded"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(steps=st.lists(STEPS, max_size=9), part_bytes=st.sampled_from([700, 100_000]), full_every=st.integers(1, 9))
def test_whatever_is_learnt_is_served_to_the_bit_and_never_changes(rows, steps, part_bytes, full_every):
    learner, topic, receiver = taught(3), Topic(), Receiver()
    if rows is not None:
        learner._masters.directory.limit = rows  # so that rows change hands
    shipper = Shipper(part_bytes=part_bytes, full_every=full_every)
    handed = []
    for at, step in enumerate([("same", 0), *steps]):
        taken(learner, step)
        received = receiver.take(topic.publish(shipper.ship(learner.snapshot(), orders(at))))
        newcomer = Receiver().take(topic.compacted(withdrawals=True))
        handed.append((received, said(learner.snapshot())))

        assert received.orders == newcomer.orders == orders(at)
        assert said(newcomer.snapshot) == handed[-1][1]
    assert [said(received.snapshot) for received, _ in handed] == [expected for _, expected in handed]


def test_increments_are_small_where_little_changed(snapshots):
    shipper = Shipper()
    first, second = (shipper.ship(snapshot, ORDERS) for snapshot in snapshots[:2])

    assert sum(len(record.value) for record in second) < 0.7 * sum(len(record.value) for record in first)


def test_new_orders_alone_are_a_few_bytes_and_leave_the_snapshot_as_it_is(kind):
    snapshot, topic, shipper, receiver = taught(3, kind).snapshot(), Topic(), Shipper(), Receiver()
    before = receiver.take(topic.publish(shipper.ship(snapshot, ORDERS)))
    records = topic.publish(shipper.ship(snapshot, replace(ORDERS, finished=("red",))))
    received = receiver.take(records)

    assert received.snapshot is before.snapshot
    assert received.orders.finished == ("red",)
    assert sum(len(record.value) for record in records) < 600


def test_models_of_both_kinds_follow_each_other(snapshots):
    topic, receiver, shipper = Topic(), Receiver(), Shipper()
    rivers = taught(2, RIVER).snapshot()
    for at, snapshot in enumerate([snapshots[0], rivers, rivers, snapshots[1], snapshots[2]]):
        received = receiver.take(topic.publish(shipper.ship(snapshot, orders(at))))

        assert said(received.snapshot) == said(snapshot)


def test_the_topic_holds_about_twice_the_model_at_most():
    topic, shipper, learner = Topic(), Shipper(part_bytes=4_000), taught(4)
    full = sum(len(record.value) for record in topic.publish(shipper.ship(learner.snapshot(), ORDERS)))
    sizes = []
    for number in range(5, 60):
        learner.update(number, [lesson(number % 9)])
        topic.publish(shipper.ship(learner.snapshot(), orders(number)))
        sizes.append(topic.size())

    assert max(sizes) < 2.2 * full
    assert len(topic.compacted(withdrawals=True)) < 2.2 * full / 4_000 + 20


def test_the_embedded_log_keeps_what_a_new_scorer_needs(tmp_path):
    writer = SqliteWriter(tmp_path / FILE, topics={"snapshots": LogTopic(name="snapshots", compacted=True)})
    reader = SqliteReader(tmp_path / FILE, topics=("snapshots",), group="own", start=Position(group="own"))
    learner, shipper, receiver = taught(4), Shipper(part_bytes=4_000), Receiver()
    for number in range(5, 50):
        learner.update(number, [lesson(number)])
        writer.publish(shipper.ship(learner.snapshot(), orders(number)), None)
        received = receiver.take(reader.poll(1_000, 0.0))

        assert said(received.snapshot) == said(learner.snapshot())
    with closing(SqliteReader(tmp_path / FILE, topics=("snapshots",), group="two", start=Position(group="two"))) as new:
        left = new.poll(10_000, 0.0)
    reader.close()
    writer.close()
    assert said(Receiver().take(left).snapshot) == said(learner.snapshot())
    assert len(left) < 150  # of some 400


def test_a_yardstick_that_was_passed_by_is_not_forgotten(snapshots):
    log, shipper, receiver = Topic(), Shipper(), Receiver()
    told = [False, True, False]
    records = [
        record
        for snapshot, yardstick in zip(snapshots, told, strict=False)
        for record in log.publish(shipper.ship(snapshot, replace(ORDERS, yardstick=yardstick)))
    ]

    assert receiver.take(records).orders.yardstick
    assert not receiver.take(log.publish(shipper.ship(snapshots[3], ORDERS))).orders.yardstick
