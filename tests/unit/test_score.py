"""Scoring: one prediction or rejection per arrival, a known chance, a coin that can be thrown again."""

import dataclasses

import msgspec

from models.chance import draw, query_id
from models.coding import MAX_BYTES
from models.learner import Learner
from models.messages import Tally
from models.policies import POLICIES
from service.score import score
from shared.scored import ASKING, BOTH, NOW, OUTPUTS, POLICY, SMALL, of, predictions, queries, records, scored


def chance(because, figure):
    return min(1.0, max(because.floor, because.floor + (1 - because.floor) * min(1.0, because.scale * figure)))


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
