"""The audit finds every way in which a log can say other than what was decided."""

import dataclasses

import msgspec
import pytest

from consumers.sqlite import SqliteReader
from models.chance import query_id
from models.coding import MAX_BYTES, decode, encode
from models.learner import Learner
from models.lessons import LearnerSettings
from models.messages import Prediction, Product, Query, Reason, Rejection
from models.policies import POLICIES
from models.records import Outgoing, Position
from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE
from producers.topics import topics
from service.audit import audit
from service.deciding import Asking
from service.score import score

SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=3, memory=50, batch=16, rehearsals=2)
SNAPSHOT = Learner(("red", "shoe", "rare"), SMALL, seed=0).snapshot()
ASKING = Asking(
    policy=POLICIES["iwal"], unit="product", share=0.3, p_min=0.1, eta=0.02, key=b"secret", stream="s", expires=3600.0
)
NUMBER = 40


class Shop:
    """A log with products, what was said of them, and a scorer's group past them."""

    def __init__(self, folder, *short):
        """A log that forgets all but a little of the topics in `short`."""
        self.folder = folder
        kept = {topic.name: dataclasses.replace(topic, keep_bytes=1_000) for topic in topics().values()}
        self.writer = SqliteWriter(
            folder / FILE,
            topics={name: kept[name] if name in short else topic for name, topic in topics(partitions=2).items()},
            durable=False,
        )
        products = [
            Outgoing("products", f"p{n}".encode(), encode(Product(id=f"p{n}", title=f"red shoe {n}")))
            for n in range(NUMBER)
        ]
        self.writer.publish([*products, Outgoing("products", b"bad", b"\xc1")], None)
        self.reader = SqliteReader(folder / FILE, topics=("products",), group="askance")
        self.records = self.reader.poll(1000, 0.0)
        self.past = self.reader.position()

    def scored(self, **changes):
        asking = dataclasses.replace(ASKING, **changes)
        return list(
            score(self.records, SNAPSHOT, asking, scale=1.0, limit=MAX_BYTES, now=1.2e9, clock=lambda: 0.0).outgoing
        )

    def publish(self, outgoing, past=...):
        self.writer.publish(outgoing, self.past if past is ... else past)
        return self

    def read(self, names, group, start):
        return SqliteReader(self.folder / FILE, topics=names, group=group, start=start)

    def audit(self, key=b"secret"):
        return audit(self.read, key=key, stream="s", p_min=0.1, group="askance")


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    yield shop
    shop.reader.close()
    shop.writer.close()


def first(outgoing, topic, wanted=lambda _: True):
    """Place and message of the first record of a topic that is as wanted."""
    kind = {"predictions": Prediction, "queries": Query}[topic]
    for place, one in enumerate(outgoing):
        if one.topic == topic and wanted(message := decode(kind, one.value)):
            return place, message
    raise AssertionError(topic)


def changed(outgoing, topic, wanted=lambda _: True, **fields):
    """The same records with one message changed; and that message as it was."""
    place, message = first(outgoing, topic, wanted)
    other = outgoing[place]._replace(value=encode(msgspec.structs.replace(message, **fields)))
    return [*outgoing[:place], other, *outgoing[place + 1 :]], message


def asked(prediction):
    return prediction.asked


def not_asked(prediction):
    return not prediction.asked


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
