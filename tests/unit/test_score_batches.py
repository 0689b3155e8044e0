"""Batches: every arrival counted once, bad records turned away, nothing depends on how the stream is cut."""

import json
import struct

import msgpack
import numpy as np
import pytest

from models.coding import MAX_BYTES, encode
from models.features import featurise
from models.learner import Learner
from models.messages import Reason, Rejection, Tally
from models.view import View
from models.watched import MOST, Yardstick, blocks_of, sample
from service.score import MOST_SCORES, score
from shared.scored import ASKING, BOTH, NOW, OUTPUTS, SMALL, of, predictions, product, queries, record, records, scored


@BOTH
def test_tallies_sum_to_the_batch(unit):
    result = scored(records(100), unit=unit)
    said, sums = predictions(result), of(result, Tally, "tallies")

    assert sum(one.n for one in sums) == len(said) == result.arrivals
    assert sum(one.asked for one in sums) == sum(one.asked for one in said) == result.asked
    assert sum(one.chance for one in sums) == pytest.approx(sum(one.chance for one in said))
    for output in OUTPUTS:
        counted = sum(one.outputs[output].positive for one in sums)
        assert counted == sum(output in one.positive for one in said) == result.positives[output]


def test_the_masses_of_a_tally_are_its_partitions_scores():
    result = scored(records(90))

    for tally in of(result, Tally, "tallies"):
        said = [one for one in predictions(result) if one.arrival.startswith(f"products/{tally.partition}/")]
        scores = np.stack([np.frombuffer(one.scores, "<f4") for one in said]).astype(float).sum(axis=0)
        masses = [tally.outputs[output].mass_positive + tally.outputs[output].mass_negative for output in OUTPUTS]
        assert (tally.first, tally.last) == (int(said[0].arrival[11:]), int(said[-1].arrival[11:]))
        assert masses == pytest.approx(scores.tolist())


def bombs():
    bomb = b"\xdd\xff\xff\xff\xff"  # a list of four thousand million entries that are not there
    deep = b"\x91" * 100_000 + b"\x01"
    return [
        ("null", None, Reason.WRONG_SHAPE),
        ("empty", b"", Reason.UNDECODABLE),
        ("random", bytes(range(255, 150, -1)), Reason.UNDECODABLE),
        ("cut", encode(product(1))[:-3], Reason.UNDECODABLE),
        ("trailing", encode(product(1)) + b"\x00", Reason.UNDECODABLE),
        ("bomb", bomb, Reason.UNDECODABLE),
        ("deep", deep, Reason.UNDECODABLE),
        ("deep json", b"[" * 100_000, Reason.UNDECODABLE),
        ("number", b"\x07", Reason.WRONG_SHAPE),
        ("list", b"[]", Reason.WRONG_SHAPE),
        ("no id", msgpack.packb({"title": "t"}), Reason.WRONG_SHAPE),
        ("no title", msgpack.packb({"id": "i"}), Reason.WRONG_SHAPE),
        ("empty id", msgpack.packb({"id": "", "title": "t"}), Reason.OUT_OF_RANGE),
        ("number as id", msgpack.packb({"id": 7, "title": "t"}), Reason.WRONG_SHAPE),
        ("long title", msgpack.packb({"id": "i", "title": "x" * 70_000}), Reason.OUT_OF_RANGE),
        ("huge title", msgpack.packb({"id": "i", "title": "x" * 10_000_000}), Reason.TOO_LARGE),
        ("negative price", msgpack.packb({"id": "i", "title": "t", "price": -1.0}), Reason.OUT_OF_RANGE),
        ("nan", msgpack.packb({"id": "i", "title": "t", "price": float("nan")}), Reason.OUT_OF_RANGE),
        ("infinite", msgpack.packb({"id": "i", "title": "t", "price": float("inf")}), Reason.OUT_OF_RANGE),
        ("past", msgpack.packb({"id": "i", "title": "t", "at": -1.0}), Reason.OUT_OF_RANGE),
        ("future", msgpack.packb({"id": "i", "title": "t", "at": 1e12}), Reason.OUT_OF_RANGE),
        ("text", b"\x82\xa2id\xa1i\xa5title\xa1\xff", Reason.UNDECODABLE),
        ("wrong attributes", json.dumps({"id": "i", "title": "t", "attributes": [1]}).encode(), Reason.WRONG_SHAPE),
        ("number in it", struct.pack(">f", 1.0), Reason.UNDECODABLE),
    ]


@pytest.mark.parametrize(("value", "reason"), [pytest.param(*bad, id=name) for name, *bad in bombs()])
def test_a_bad_record_is_rejected_with_its_reason_and_the_batch_goes_on(value, reason):
    good = records(4)

    result = scored([*good[:2], record(7, value), *good[2:]])

    (rejection,) = of(result, Rejection, "rejections")
    assert (rejection.topic, rejection.partition, rejection.offset, rejection.reason) == ("products", 0, 7, reason)
    assert result.rejected == {("products", reason): 1}
    assert [one.arrival for one in predictions(result)] == [one.arrival for one in good]


def test_a_batch_of_nothing_but_bad_records_is_a_batch():
    result = scored([record(0, b""), record(1, None)])

    assert (result.arrivals, result.asked, sum(result.rejected.values()), result.scale) == (0, 0, 2, 1.0)
    assert {one.topic for one in result.outgoing} == {"rejections"}


def test_bad_records_leave_the_decisions_about_the_others_as_they_are():
    good = records(50)
    mixed = [entry for pair in zip(good, (record(1000 + n, b"") for n in range(50)), strict=True) for entry in pair]

    assert predictions(scored(mixed)) == predictions(scored(good))


def test_the_same_product_twice_is_two_arrivals_with_draws_of_their_own():
    twice = [record(n, encode(product(1))) for n in range(2)]

    first, second = predictions(scored(twice))

    assert (first.product, first.scores) == (second.product, second.scores)
    assert first.draw != second.draw


@BOTH
@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_chances_do_not_depend_on_how_the_stream_is_cut(unit, size):
    stream = records(192)
    whole = scored(stream, unit=unit)

    chances, scale = [], 1.0
    for first in range(0, len(stream), size):
        part = scored(stream[first : first + size], unit=unit, scale=scale)
        chances += [one.chance for one in predictions(part)]
        scale = part.scale

    # Sums of float32 in another order differ in their last bits, nothing else does.
    assert chances == pytest.approx([one.chance for one in predictions(whole)], rel=1e-4)
    assert scale == pytest.approx(whole.scale, rel=1e-4)


def test_a_batch_with_too_many_outputs_for_one_part_is_scored_as_its_parts_are():
    snapshot = Learner([f"output:{k}" for k in range(2_000)], SMALL, seed=0).snapshot()
    size = MOST_SCORES // 2_000
    batch, scale, apart = records(2 * size + 50), 1.0, []
    for first in range(0, len(batch), size):
        some = batch[first : first + size]
        apart.append(score(some, snapshot, ASKING, scale=scale, limit=MAX_BYTES, now=NOW, clock=lambda: 0.0))
        scale = apart[-1].scale
    together = score(batch, snapshot, ASKING, scale=1.0, limit=MAX_BYTES, now=NOW, clock=lambda: 0.0)

    assert predictions(together) == [one for part in apart for one in predictions(part)]
    assert queries(together) == [one for part in apart for one in queries(part)]
    assert together.scale == scale


@pytest.mark.parametrize("outputs", [4, 1_000], ids=["in one part", "in parts"])
def test_of_a_large_batch_some_arrivals_are_measured(outputs):
    older = Learner([f"output:{k}" for k in range(outputs)], SMALL, seed=0).snapshot()
    batch, yardstick = records(2 * MOST), Yardstick.of(older)
    told = score(
        batch, older, ASKING, scale=1.0, limit=MAX_BYTES, now=NOW, clock=lambda: 0.0, yardstick=yardstick
    )  # fmt: skip
    blocks = np.concatenate([blocks_of(tally.signals) for tally in of(told, Tally, "tallies")])
    some = featurise([product(n) for n in sample(2 * MOST).tolist()], bits=older.bits)
    measured = yardstick.measure(View.of(some, older))

    assert blocks[:, 0].sum() == MOST
    assert blocks[:, 1:].sum(axis=0) == pytest.approx(measured.sum(axis=0), rel=1e-4, abs=1e-3)


def test_the_budget_is_met():
    result = scored(records(3000), share=0.2)

    assert float(np.mean(result.chances[500:])) == pytest.approx(0.2, abs=0.02)


def test_a_product_larger_than_the_limit_is_rejected_unread():
    assert scored(records(1), limit=5).rejected == {("products", Reason.TOO_LARGE): 1}
