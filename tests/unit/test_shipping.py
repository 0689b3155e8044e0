"""The model on its way: what arrives says the same to the bit, or nothing new arrives."""

from contextlib import closing
from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.test_pickled import Calls

from consumers.sqlite import SqliteReader
from models.arrivals import Ignored
from models.bodies import Body, Rivers, blocks_of, packed, unpacked
from models.coding import decode, encode
from models.messages import SnapshotPart
from models.parts import cut
from models.records import Position, Record
from models.shipping import Receiver, Shipper
from producers.sqlite import FILE, SqliteWriter
from producers.topics import Topic as LogTopic
from shared.lessons import OUTPUTS, SMALL, lesson, taught, withdrawn
from shared.wire import ORDERS, Topic, said

pytestmark = pytest.mark.usefixtures("one_thread")

RIVER = replace(SMALL, kind="river", river_members=3, river_bits=12)
KINDS = {"askance": SMALL, "no linear path": replace(SMALL, table_megabytes=1), "river": RIVER}
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


def orders(at):
    return replace(ORDERS, made_at=ORDERS.made_at + at)


def test_a_full_shipment_says_the_same_to_the_bit(kind):
    snapshot, receiver = taught(6, kind).snapshot(), Receiver()

    received = receiver.take(Topic().publish(Shipper().ship(snapshot, ORDERS)))
    assert (said(received.snapshot), received.orders) == (said(snapshot), ORDERS)


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
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
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


def mangled(random, records):
    """Records lost, repeated, damaged, out of order, and some that are no parts at all."""
    kept = []
    for record in records:
        chance = random.random()
        if chance < 0.1:
            continue
        if chance < 0.2 and record.value:
            value = bytearray(record.value)
            value[random.integers(len(value))] ^= 1
            kept.append(record._replace(value=bytes(value)))
        else:
            kept += [record, record] if chance > 0.9 else [record]
    kept.insert(int(random.integers(len(kept) + 1)), Record("snapshots", 0, 0, b"0", random.bytes(40), 0.0))
    return [kept[i] for i in random.permutation(len(kept))] if random.random() < 0.5 else kept


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens_to_the_records_nothing_wrong_is_served(snapshots, seed):
    random, topic, receiver, expected = np.random.default_rng(seed), Topic(), Receiver(), {}
    shipper = Shipper(part_bytes=8_000, full_every=3)
    for at, which in enumerate(random.integers(0, len(snapshots), 12)):
        if random.random() < 0.15:
            shipper = Shipper(part_bytes=8_000, full_every=3)
        expected[orders(at).made_at] = said(snapshots[which])
        received = receiver.take(mangled(random, topic.publish(shipper.ship(snapshots[which], orders(at)))))

        assert received is None or said(received.snapshot) == expected[received.orders.made_at]
    last = receiver.take(topic.publish(Shipper().ship(snapshots[0], orders(99))))
    assert last.orders == orders(99)
    assert not receiver._arrivals._waiting


def test_parts_that_come_in_any_order_make_the_whole(snapshots):
    topic, shipper = Topic(), Shipper(part_bytes=4_000)
    records = [record for one in snapshots[:3] for record in topic.publish(shipper.ship(one, orders(one.version)))]
    for seed in range(5):
        shuffled = [records[i] for i in np.random.default_rng(seed).permutation(len(records))]
        receiver, seen = Receiver(), []
        for record in shuffled:
            seen += [received.snapshot.version for received in [receiver.take([record])] if received is not None]

        assert seen[-1] == snapshots[2].version
        assert all(before < after for before, after in pairwise(seen))


def test_a_learner_that_begins_anew_is_followed_though_its_model_is_older(snapshots):
    topic, receiver, first, second = Topic(), Receiver(), Shipper(), Shipper()
    for snapshot in snapshots[5:8]:
        receiver.take(topic.publish(first.ship(snapshot, orders(snapshot.version))))
    received = receiver.take(topic.publish(second.ship(snapshots[0], orders(50))))

    assert received.snapshot.version == snapshots[0].version
    assert receiver.take(topic.publish(second.ship(snapshots[1], orders(51)))).snapshot.version == snapshots[1].version
    assert Receiver().take(topic.compacted()).orders == orders(51)


def test_what_was_read_before_is_not_taken_again(snapshots):
    topic, receiver, first, second = Topic(), Receiver(), Shipper(), Shipper()
    for shipper, snapshot in ((first, snapshots[3]), (first, snapshots[4]), (second, snapshots[0])):
        last = receiver.take(topic.publish(shipper.ship(snapshot, orders(snapshot.version))))

    assert [receiver.take([record]) for record in topic.records] == [None] * len(topic.records)
    assert last.snapshot.version == snapshots[0].version
    assert receiver.ignored[Ignored.REPEATED] == len(topic.records)


def test_a_shipment_broken_off_leaves_the_model_before_until_the_next_full_one(snapshots):
    topic, receiver, shipper = Topic(), Receiver(), Shipper(part_bytes=4_000)
    receiver.take(topic.publish(shipper.ship(snapshots[0], orders(0))))
    broken = receiver.take(topic.publish(shipper.ship(snapshots[1], orders(1))[:-1]))
    later = receiver.take(topic.publish(shipper.ship(snapshots[1], orders(2))))
    shipper.doubt()
    healed = receiver.take(topic.publish(shipper.ship(snapshots[2], orders(3))))

    assert (broken, later, healed.orders) == (None, None, orders(3))
    assert Receiver().take(topic.compacted()).orders == orders(3)


def test_what_another_learner_left_is_withdrawn_where_it_is_found(snapshots):
    topic, first, second = Topic(), Shipper(part_bytes=700), Shipper(part_bytes=100_000)
    topic.publish(first.ship(snapshots[0], ORDERS))
    topic.publish(first.ship(snapshots[1], ORDERS))
    second.found([*topic.records, Record("snapshots", 0, 99, b"of others", b"x", 0.0)])
    topic.publish(second.ship(snapshots[2], ORDERS))

    assert [record.key for record in topic.compacted()] == [b"0"]


def test_models_of_both_kinds_follow_each_other(snapshots):
    topic, receiver, shipper = Topic(), Receiver(), Shipper()
    rivers = taught(2, RIVER).snapshot()
    for at, snapshot in enumerate([snapshots[0], rivers, rivers, snapshots[1], snapshots[2]]):
        received = receiver.take(topic.publish(shipper.ship(snapshot, orders(at))))

        assert said(received.snapshot) == said(snapshot)


def test_what_waits_is_bounded(snapshots):
    receiver, topic, shipper = Receiver(most_bytes=30_000), Topic(), Shipper(part_bytes=4_000)
    for at in range(6):
        shipper.doubt()
        receiver.take(topic.publish(shipper.ship(snapshots[0], orders(at)))[1:])

        assert sum(one.size for one in receiver._arrivals._waiting.values()) <= 30_000
    assert receiver.ignored[Ignored.CROWDED] > 0


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


PART = SnapshotPart(
    learner="0" * 16, number=0, version=0, part=0, parts=1, digest="0" * 64, part_digest="0" * 64, data=b"x"
)  # its digests do not fit


@pytest.mark.parametrize("value", [b"", b"nonsense", b"\x80", b"{}", encode(PART)])
def test_foreign_and_damaged_bytes_are_counted(value):
    receiver = Receiver()

    assert receiver.take([Record("snapshots", 0, 0, b"0", value, 0.0)]) is None
    assert sum(receiver.ignored.values()) == 1


def shipped(body, topic=None):
    """Records of a full shipment with this body, its digests right."""
    _, records = cut(packed(body), learner="f" * 16, number=0, version=1, base="", part_bytes=10**6, first=0)
    return (topic or Topic()).publish(records)


def body_of(snapshot):
    (record,) = Shipper(part_bytes=1_900_000).ship(snapshot, ORDERS)
    return unpacked(decode(SnapshotPart, record.value, limit=2_000_000).data)


def without(body, name):
    return replace_blocks(body, {key: block for key, block in body.blocks.items() if key != name})


def replace_blocks(body, blocks):
    return Body(orders=body.orders, model=body.model, outputs=body.outputs, blocks=blocks)


def test_a_body_that_does_not_fit_together_is_counted_and_left(snapshots):
    body, receiver, numbers = body_of(snapshots[0]), Receiver(), count()
    for name, block in body.blocks.items():
        longer = replace_blocks(body, {**body.blocks, name: type(block)(block.kind, [*block.shape, 2], block.data)})
        flat = np.zeros(max(1, np.prod(block.shape) - 1), block.kind)
        shorter = replace_blocks(body, {**body.blocks, **blocks_of({name: flat})})
        for wrong in (without(body, name), longer, shorter):
            next(numbers)
            assert receiver.take(shipped(wrong)) is None
    assert receiver.take(shipped(Body(orders=ORDERS))) is None
    assert receiver.ignored == {Ignored.UNREADABLE: next(numbers) + 1}
    assert receiver.take(shipped(body)).snapshot.version == snapshots[0].version


def test_objects_that_are_no_models_are_not_made():
    body, receiver = body_of(taught(2, RIVER).snapshot()), Receiver()
    for thing in (Calls(print, "made"), [Calls(eval, "1")], [1, 2], "text"):
        from models.pickled import packed as pickled

        evil = blocks_of({"classifiers": np.frombuffer(pickled(thing), np.uint8)})
        assert receiver.take(shipped(replace_blocks(body, {**body.blocks, **evil}))) is None
    assert isinstance(body.model, Rivers)
    assert receiver.ignored == {Ignored.UNREADABLE: 4}
