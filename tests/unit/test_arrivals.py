"""Records lost, repeated, damaged, foreign, out of order: what is served is never wrong, at worst older."""

from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import pytest

from models.arrivals import Ignored
from models.bodies import Body, Rivers, blocks_of, packed, unpacked
from models.coding import decode, encode
from models.messages import SnapshotPart
from models.parts import cut
from models.records import Record
from models.shipping import Receiver, Shipper
from shared.lessons import SMALL, lesson, taught
from shared.wire import ORDERS, Topic, orders, said

pytestmark = pytest.mark.usefixtures("one_thread")

RIVER = replace(SMALL, kind="river", river_members=3, river_bits=12)


@pytest.fixture(scope="module")
def snapshots():
    """Of eleven batches, one after the other."""
    learner = taught(4)
    made = [learner.snapshot()]
    for number in range(5, 15):
        learner.update(number, [lesson(number)])
        made.append(learner.snapshot())
    return made


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


def test_what_waits_is_bounded(snapshots):
    receiver, topic, shipper = Receiver(most_bytes=30_000), Topic(), Shipper(part_bytes=4_000)
    for at in range(6):
        shipper.doubt()
        receiver.take(topic.publish(shipper.ship(snapshots[0], orders(at)))[1:])

        assert sum(one.size for one in receiver._arrivals._waiting.values()) <= 30_000
    assert receiver.ignored[Ignored.CROWDED] > 0


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


class Calls:
    """Runs something when it is read, if it can."""

    def __init__(self, call, *arguments):
        self.made = (call, arguments)

    def __reduce__(self):
        return self.made


def test_objects_that_are_no_models_are_not_made():
    body, receiver = body_of(taught(2, RIVER).snapshot()), Receiver()
    for thing in (Calls(print, "made"), [Calls(eval, "1")], [1, 2], "text"):
        from models.pickled import packed as pickled

        evil = blocks_of({"classifiers": np.frombuffer(pickled(thing), np.uint8)})
        assert receiver.take(shipped(replace_blocks(body, {**body.blocks, **evil}))) is None
    assert isinstance(body.model, Rivers)
    assert receiver.ignored == {Ignored.UNREADABLE: 4}
