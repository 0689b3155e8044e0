"""The audit finds arrivals that are missing, said twice, said too early, or nowhere."""

import msgspec
import pytest

from models.coding import decode, encode
from models.messages import Prediction, Reason, Rejection
from models.records import Outgoing, Position
from shared.audited import NUMBER, Shop, changed, first, not_asked


def test_a_prediction_twice_is_found(shop):
    outgoing = shop.scored()
    place, said = first(outgoing, "predictions", not_asked)

    assert shop.publish([*outgoing, outgoing[place]]).audit().problems == (f"{said.arrival}: predicted twice",)


def test_a_missing_prediction_is_found(shop):
    outgoing = shop.scored()
    place, said = first(outgoing, "predictions", not_asked)

    assert shop.publish(outgoing[:place] + outgoing[place + 1 :]).audit().problems == (
        f"{said.arrival}: neither predicted nor rejected, though the scorers are past it",
    )


def test_an_arrival_both_predicted_and_rejected_is_found(shop):
    outgoing = shop.scored()
    _, said = first(outgoing, "predictions", not_asked)
    _, partition, offset = said.arrival.split("/")
    both = Rejection(
        topic="products", partition=int(partition), offset=int(offset), reason=Reason.TOO_LARGE, detail="", payload=b""
    )

    found = shop.publish([*outgoing, Outgoing("rejections", b"k", encode(both))]).audit()

    assert found.problems == (f"{said.arrival}: both predicted and rejected",)


def test_what_was_said_before_the_group_is_past_the_product_is_found(shop):
    behind = Position(group="askance", offsets=dict.fromkeys(shop.past.offsets, 0), membership=shop.past.membership)

    found = shop.publish(shop.scored(), behind).audit()

    assert found.found == NUMBER + 1
    assert all(problem.endswith("though the scorers are not past it") for problem in found.problems)


@pytest.mark.parametrize("arrival", ["nowhere", "products/0", "products/x/1", "products/0/-1", "a/0/1"])
def test_an_arrival_that_is_no_place_of_a_product_is_found(shop, arrival):
    outgoing, _ = changed(shop.scored(), "predictions", not_asked, arrival=arrival)

    assert f"{arrival}: no place of a product" in shop.publish(outgoing).audit().problems


def test_a_place_beyond_all_bounds_takes_no_memory(shop):
    outgoing, _ = changed(shop.scored(), "predictions", not_asked, arrival=f"products/0/{10**15}")

    assert shop.publish(outgoing).audit().found > 0


def test_another_key_is_found_at_every_arrival(shop):
    found = shop.publish(shop.scored()).audit(key=b"another")

    assert found.found == NUMBER
    assert "is not that of the key" in found.problems[0]


def test_draws_that_are_not_uniform_are_found(shop):
    outgoing = shop.scored()
    for place, one in enumerate(outgoing):
        if one.topic == "predictions":
            said = decode(Prediction, one.value)
            outgoing[place] = one._replace(value=encode(msgspec.structs.replace(said, draw=said.draw / 100)))

    assert any("not uniform" in problem for problem in shop.publish(outgoing).audit().problems)


@pytest.mark.parametrize("topic", ["predictions", "queries", "rejections"])
def test_what_is_no_message_is_found(shop, topic):
    found = shop.publish([*shop.scored(), Outgoing(topic, b"k", b"\xc1")]).audit()

    assert found.found == 1
    assert "not a" in found.problems[0]


@pytest.mark.parametrize("short", [("predictions",), ("queries",), ("predictions", "queries", "rejections")])
def test_what_the_log_has_forgotten_is_not_missed(tmp_path, short):
    shop = Shop(tmp_path, *short)
    outgoing = shop.scored()
    shop.publish(outgoing)
    for _ in range(40):
        shop.publish([], None)  # each forgets something

    found = shop.audit()
    shop.writer.close()

    assert found.problems == ()
    assert found.predicted + found.queries < sum(one.topic in ("predictions", "queries") for one in outgoing)


def test_a_withdrawn_query_is_still_a_query(shop):
    outgoing = shop.scored()
    _, query = first(outgoing, "queries")

    found = shop.publish([*outgoing, Outgoing("queries", query.id.encode(), None)]).audit()

    assert found.problems == ()


def test_problems_are_all_counted_and_the_first_named(shop):
    found = shop.publish([]).audit()

    assert (found.found, len(found.problems)) == (NUMBER + 1, NUMBER + 1)
