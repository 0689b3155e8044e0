"""The audit finds every way in which draws, chances and queries can be other than what was decided."""

import msgspec
import pytest

from models.chance import query_id
from models.coding import decode, encode
from models.messages import Prediction, Rejection
from models.records import Outgoing
from shared.audited import NUMBER, asked, changed, first, not_asked


@pytest.mark.parametrize("unit", ["product", "output"])
def test_an_honest_log_is_clean(shop, unit):
    outgoing = shop.scored(unit=unit)

    found = shop.publish(outgoing).audit()

    queries = sum(one.topic == "queries" for one in outgoing)
    assert found.problems == ()
    assert (found.arrivals, found.predicted, found.rejected, found.queries) == (NUMBER + 1, NUMBER, 1, queries)
    assert found.asked == queries > 0


def test_an_empty_log_is_clean(shop):
    found = shop.audit()

    assert (found.found, found.arrivals, found.least) == (0, 0, 1.0)


def test_products_the_scorers_are_not_past_are_not_missed(shop):
    found = shop.publish(shop.scored()).publish([Outgoing("products", b"k", b"later")], None).audit()

    assert (found.problems, found.arrivals) == ((), NUMBER + 1)


def test_the_smallest_chance_is_that_of_any_arrival_asked_about_or_not(shop):
    outgoing = shop.scored()
    chances = [decode(Prediction, one.value).chance for one in outgoing if one.topic == "predictions"]

    assert shop.publish(outgoing).audit().least == min(chances)


def test_a_wrong_draw_is_found(shop):
    outgoing, was = changed(shop.scored(), "predictions", not_asked, draw=0.999999)

    found = shop.publish(outgoing).audit()

    assert (found.found, found.problems) == (1, (f"{was.arrival}: draw 0.999999 is not that of the key, {was.draw}",))


def test_asking_against_the_coin_is_found(shop):
    outgoing, was = changed(shop.scored(), "predictions", not_asked, asked=True)

    problems = shop.publish(outgoing).audit().problems

    assert f"{was.arrival}: asked is True with draw {was.draw} and chance {was.chance}" in problems
    assert f"{was.arrival}: asked, but there is no query" in problems


def test_not_asking_against_the_coin_is_found(shop):
    outgoing, was = changed(shop.scored(), "predictions", asked, asked=False)

    problems = shop.publish(outgoing).audit().problems

    assert f"{was.arrival}: asked is False with draw {was.draw} and chance {was.chance}" in problems
    assert f"{was.arrival}: has a query though it was not asked about" in problems


def test_a_chance_below_the_floor_is_found(shop):
    outgoing, was = changed(shop.scored(), "predictions", lambda one: one.draw > 0.1 and not one.asked, chance=0.01)

    assert shop.publish(outgoing).audit().problems == (f"{was.arrival}: chance 0.01 is outside [0.1, 1]",)


def test_a_missing_query_is_found(shop):
    outgoing = shop.scored()
    place, query = first(outgoing, "queries")

    assert shop.publish(outgoing[:place] + outgoing[place + 1 :]).audit().problems == (
        f"{query.arrival}: asked, but there is no query",
    )


def test_a_query_nobody_asked_for_is_found(shop):
    outgoing = shop.scored()
    _, query = first(outgoing, "queries")
    _, quiet = first(outgoing, "predictions", not_asked)
    forged = msgspec.structs.replace(query, id=query_id("s", quiet.arrival), arrival=quiet.arrival)

    found = shop.publish([*outgoing, Outgoing("queries", b"k", encode(forged))]).audit()

    assert found.problems == (f"{quiet.arrival}: has a query though it was not asked about",)


def test_a_query_about_an_arrival_that_was_never_predicted_is_found(shop):
    outgoing = shop.scored()
    _, query = first(outgoing, "queries")
    rejected = decode(Rejection, next(one.value for one in outgoing if one.topic == "rejections"))
    arrival = f"products/{rejected.partition}/{rejected.offset}"
    forged = msgspec.structs.replace(query, id=query_id("s", arrival), arrival=arrival)

    found = shop.publish([*outgoing, Outgoing("queries", b"k", encode(forged))]).audit()

    assert found.problems == (f"{arrival}: has a query though it was not asked about",)


def test_a_query_twice_is_found(shop):
    outgoing = shop.scored()
    place, query = first(outgoing, "queries")

    assert shop.publish([*outgoing, outgoing[place]]).audit().problems == (f"{query.arrival}: asked about twice",)


def test_a_query_under_another_id_is_found(shop):
    outgoing, was = changed(shop.scored(), "queries", id="another")

    assert shop.publish(outgoing).audit().problems == (
        f"{was.arrival}: its query has the id another, not the one of its arrival",
    )


@pytest.mark.parametrize("factor", [0.5, 1.01])
def test_a_query_with_another_chance_than_its_prediction_is_found(shop, factor):
    _, query = first(shop.scored(), "queries")
    outgoing, was = changed(shop.scored(), "queries", chance=query.chance * factor)

    assert shop.publish(outgoing).audit().problems == (
        f"{was.arrival}: its query says chance {query.chance * factor}, its prediction {was.chance}",
    )


def test_an_output_asked_above_the_draw_is_found(shop):
    outgoing = shop.scored(unit="output")
    _, query = first(outgoing, "queries", lambda one: len(one.ask) > 1)
    _, said = first(outgoing, "predictions", lambda one: one.arrival == query.arrival)
    least = min(query.chance, key=query.chance.get)
    outgoing, _ = changed(
        outgoing, "queries", lambda one: one.id == query.id, chance=query.chance | {least: said.draw / 2}
    )

    assert shop.publish(outgoing).audit().problems == (
        f"{query.arrival}: asks {least} at chance {said.draw / 2} with draw {said.draw}",
    )


def test_asking_other_outputs_than_there_are_chances_for_is_found(shop):
    outgoing = shop.scored(unit="output")
    outgoing, was = changed(outgoing, "queries", ask=["blue"])

    assert shop.publish(outgoing).audit().problems == (
        f"{was.arrival}: its query asks other outputs than those it has chances for",
    )
