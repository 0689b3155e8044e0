"""Scoring: one prediction or rejection per arrival, a known chance, a coin that can be thrown again."""

import dataclasses
import itertools
import json
import struct

import msgpack
import msgspec
import numpy as np
import pytest

from models.chance import draw, query_id
from models.coding import MAX_BYTES, decode, encode
from models.features import featurise
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.messages import Prediction, Product, Query, Reason, Rejection, Tally
from models.policies import POLICIES
from models.records import Record
from models.view import View
from models.watched import MOST, Yardstick, blocks_of, sample
from service.deciding import Asking
from service.score import MOST_SCORES, score

OUTPUTS = ("red", "shoe", "rare", "large")
SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=4, memory=200, batch=16, rehearsals=2)
WORDS = ("red", "blue", "shoe", "hat", "wool", "big", "old", "new", "pair", "set")
NOW = 1.2e9


def product(n):
    return Product(id=f"p{n}", title=" ".join(WORDS[(n * step) % len(WORDS)] for step in (1, 3, 7)) + f" {n}")


def record(offset, value, partition=0):
    return Record("products", partition, offset, b"key", value, NOW)


def records(n, first=0):
    return [record(i, encode(product(i)), partition=i % 3) for i in range(first, first + n)]


def taught():
    learner = Learner(OUTPUTS, SMALL, seed=0)
    for number in range(1, 5):
        lessons = [
            Lesson(
                query=f"q{number}-{i}",
                product=product(i * number),
                targets=np.asarray([i % 2, i % 3 == 0, 0, i % 5 == 0], np.float32),
                chance=np.ones(4, np.float32),
            )
            for i in range(16)
        ]
        learner.update(number, lessons)
    return learner.snapshot()


SNAPSHOT = taught()
ASKING = Asking(
    policy=POLICIES["iwal"], unit="product", share=0.3, p_min=0.05, eta=0.02, key=b"secret", stream="test",
    expires=3600.0,
)  # fmt: skip


def scored(batch, *, scale=1.0, limit=MAX_BYTES, output_scales=None, **changes):
    asking = dataclasses.replace(ASKING, **changes)
    ticks = itertools.count()
    return score(
        batch, SNAPSHOT, asking, scale=scale, limit=limit, now=NOW, clock=lambda: float(next(ticks)),
        output_scales=output_scales,
    )  # fmt: skip


def of(result, kind, topic):
    return [decode(kind, one.value, limit=len(one.value)) for one in result.outgoing if one.topic == topic]


def predictions(result):
    return of(result, Prediction, "predictions")


def queries(result):
    return of(result, Query, "queries")


def chance(because, figure):
    return min(1.0, max(because.floor, because.floor + (1 - because.floor) * min(1.0, because.scale * figure)))


BOTH = pytest.mark.parametrize("unit", ["product", "output"])
POLICY = pytest.mark.parametrize("policy", sorted(POLICIES))


@BOTH
@POLICY
def test_every_arrival_has_one_prediction(unit, policy):
    batch = records(60)

    said = predictions(scored(batch, unit=unit, policy=POLICIES[policy]))

    assert [one.arrival for one in said] == [one.arrival for one in batch]
    assert [one.product for one in said] == [f"p{n}" for n in range(60)]


@BOTH
@POLICY
def test_every_chance_lies_between_the_floor_and_one(unit, policy):
    chances = [one.chance for one in predictions(scored(records(200), unit=unit, policy=POLICIES[policy]))]

    assert (min(chances) >= 0.05, max(chances) <= 1.0) == (True, True)


@BOTH
def test_an_arrival_is_asked_about_iff_its_draw_lies_below_its_chance(unit):
    said = predictions(scored(records(200), unit=unit))

    assert [one.asked for one in said] == [one.draw < one.chance for one in said]
    assert 0 < sum(one.asked for one in said) < 200


def test_the_draw_is_that_of_key_stream_and_arrival():
    said = predictions(scored(records(50)))

    assert [one.draw for one in said] == [draw(b"secret", "test", one.arrival) for one in said]


@BOTH
def test_a_query_exists_iff_asked(unit):
    result = scored(records(200), unit=unit)

    asked = [one.arrival for one in predictions(result) if one.asked]

    assert [query.arrival for query in queries(result)] == asked
    assert [query.id for query in queries(result)] == [query_id("test", arrival) for arrival in asked]
    assert [one.key.decode() for one in result.outgoing if one.topic == "queries"] == [q.id for q in queries(result)]


def test_a_query_about_a_product_asks_everything_at_the_chance_of_its_prediction():
    result = scored(records(100))
    by_arrival = {one.arrival: one for one in predictions(result)}

    assert queries(result)
    for query in queries(result):
        assert query.ask == list(OUTPUTS)
        assert query.chance == by_arrival[query.arrival].chance


def test_a_query_carries_the_product_and_the_scores_of_its_prediction():
    result = scored(records(100))
    by_arrival = {one.arrival: one for one in predictions(result)}

    for query in queries(result):
        said = by_arrival[query.arrival]
        assert (query.product.id, query.scores, query.model) == (said.product, said.scores, said.model)
        assert (query.asked_at, query.expires_at) == (NOW, NOW + 3600.0)


def test_a_query_tells_the_share_that_was_wanted():
    result = scored(records(100))

    assert {query.because.share for query in queries(result)} == {result.target}


@POLICY
def test_the_chance_of_a_product_follows_exactly_from_its_terms(policy):
    for query in queries(scored(records(200), policy=POLICIES[policy])):
        assert query.chance == chance(query.because, query.because.combined)


@POLICY
def test_the_chance_of_an_output_follows_exactly_from_its_terms(policy):
    for query in queries(scored(records(200), policy=POLICIES[policy], unit="output")):
        assert query.chance == {
            output: chance(query.because, query.because.disagreement[output]) for output in query.ask
        }


@POLICY
def test_the_chance_of_an_output_with_a_share_follows_exactly_from_its_own_scale(policy):
    result = scored(
        records(200), policy=POLICIES[policy], unit="output", output_shares={"shoe": 0.06}, output_scales={"shoe": 0.1}
    )
    asked = [query for query in queries(result) if "shoe" in query.ask]

    assert {tuple(query.because.output_scales) for query in asked} == {("shoe",)}
    for query in asked:
        own = query.because.output_scales["shoe"]
        assert own <= query.because.scale
        terms = msgspec.structs.replace(query.because, scale=own)
        assert query.chance["shoe"] == chance(terms, query.because.disagreement["shoe"])


def test_only_outputs_with_a_share_have_a_scale_in_the_tallies():
    result = scored(records(100), unit="output", output_shares={"shoe": 0.06})

    for tally in of(result, Tally, "tallies"):
        scales = {output: tally.outputs[output].scale for output in OUTPUTS}
        assert scales == dict.fromkeys(OUTPUTS) | {"shoe": result.output_scales["shoe"]}


def test_shares_of_outputs_are_raised_with_the_share():
    raised = dataclasses.replace(ASKING, output_shares={"shoe": 0.06, "red": 0.8}).raised(2.0)

    assert raised.output_shares == {"shoe": 0.12, "red": 1.0}


def test_outputs_are_asked_below_one_draw_so_that_they_nest():
    result = scored(records(300), unit="output")
    drawn = {one.arrival: one.draw for one in predictions(result)}
    asked = queries(result)

    assert {len(query.ask) for query in asked} > {1}
    for query in asked:
        assert set(query.chance) == set(query.ask)
        assert min(query.chance.values()) > drawn[query.arrival]


def test_the_chance_of_a_prediction_is_the_largest_of_its_outputs():
    result = scored(records(300), unit="output")
    by_arrival = {one.arrival: one.chance for one in predictions(result)}

    for query in queries(result):
        assert max(query.chance.values()) == by_arrival[query.arrival]


def test_a_query_explains_its_strongest_outputs_only_where_they_are_many():
    names = tuple(f"o{k}" for k in range(130))
    snapshot = Learner(names, SMALL, seed=0).snapshot()
    result = score(
        records(1), snapshot, dataclasses.replace(ASKING, p_min=1.0, share=1.0), scale=1.0, limit=MAX_BYTES, now=NOW,
        clock=lambda: 0.0,
    )  # fmt: skip

    (query,) = queries(result)

    assert (len(query.ask), len(query.because.disagreement)) == (130, 100)


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
