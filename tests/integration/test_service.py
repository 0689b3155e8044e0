"""The whole service on the embedded log, stopped and broken at every boundary: nothing lost, nothing done twice."""

import itertools
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.chance import Budget, query_id
from models.coding import decode, encode
from models.faults import LogRefused, LogUnavailable
from models.features import featurise
from models.messages import Label, Prediction, Product, Query, Rejection
from models.records import Outgoing, Position
from producers.port import DeliveryFailed
from producers.sqlite_file import FILE
from service.assembly import clients, make_both, open_both
from service.audit import audit
from service.halves import asking_of
from service.learners import encoders_of, rebuilt, restored
from service.ledger import Ledger
from service.loop import run
from service.reading import in_order, read_topic
from service.settings import Misconfigured, read_settings
from shared.turns import Turns

OUTPUTS = ("red", "shoe", "rare")
PRODUCTS = 60
SMALL = {
    "model.bits": 12, "model.width": 8, "model.sketch": 8, "model.hidden": 16, "model.members": 2, "model.memory": 200,
    "model.batch": 16, "model.rehearsals": 2,
}  # fmt: skip


class Killed(BaseException):
    """The process is gone: nothing after this happens."""


class Faulty:
    """A producer that fails at its n-th publish, before or after that has really happened."""

    def __init__(self, producer, fault):
        self.producer = producer
        self.fault = fault

    def publish(self, records, past):
        if self.fault.due("before"):
            raise self.fault.error
        self.producer.publish(records, past)
        if self.fault.due("after"):
            raise self.fault.error

    def close(self):
        self.producer.close()


class Fault:
    """What happens once, at the n-th publish."""

    def __init__(self, moment, n, error):
        self.moment, self.n, self.error = moment, n, error
        self.happened = False

    def due(self, moment):
        if moment == "before":
            self.n -= 1
        if self.n == 0 and moment == self.moment and not self.happened:
            self.happened = True
            return True
        return False


NEVER = Fault("before", 0, None)


class Shop:
    """A data directory with a feed in its log, and a service over it, process after process."""

    def __init__(self, folder, **changes):
        self.changes = SMALL | {
            "data_dir": str(folder), "outputs": OUTPUTS, "asking.share": 1.0, "asking.p_min": 1.0, "asking.seed": "s",
            "log.partitions": 2, "log.batch": 10, "log.wait_seconds": 0.0, "learning.batch": 12,
            "learning.checkpoint_seconds": 0.000001, "http.enabled": False,
        } | changes  # fmt: skip
        self.settings = read_settings(None, self.changes)
        with closing(self.writer()) as writer:
            writer.publish([Outgoing("products", b"bad", b"\xc1"), *map(sent, range(PRODUCTS))], None)

    def writer(self):
        return clients(self.settings).write("shop")

    def read(self, topic):
        return list(read_topic(clients(self.settings).read, topic))

    def arrivals(self):
        """Product id by arrival; without the bad one."""
        return {r.arrival: decode(Product, r.value).id for r in self.read("products") if r.value != b"\xc1"}

    def label(self, wanted=lambda _: True, **fields):
        """Answer the query of every arrival that is wanted, whether it is asked yet or not."""
        labels = []
        for arrival, product in self.arrivals().items():
            number = int(product.removeprefix("p"))
            if wanted(number):
                said = {"annotator": "a", "answers": truth(number)} | fields
                label = Label(query=query_id("askance", arrival), **said)
                labels.append(Outgoing("labels", label.query.encode(), encode(label)))
        with closing(self.writer()) as writer:
            writer.publish(labels, None)

    def serve(self, fault=NEVER, *, turns=25, opener=None, **changes):
        """One process: serve for some turns; returns the digest of what it had learnt."""
        settings = read_settings(None, self.changes | changes) if changes else self.settings
        service = make_both(settings, CollectorRegistry())
        opened = open_both(settings, service.learning.ledger)

        def open_log():
            log = opened()
            return replace(log, producer=Faulty(log.producer, fault))

        try:
            run(service, opener(open_log) if opener else open_log, Turns(turns))
            return service.learning.learner.digest()
        finally:
            service.learning.ledger.close()

    def balance(self):
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            assert ledger.balance() == ledger.recount()
            return ledger.balance()

    def digests(self):
        """Of the model that a restart would serve and of the one the ledger alone makes."""
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            encoders = encoders_of(self.settings)
            now = restored(self.settings, ledger, encoders).learner
            return now.digest(), rebuilt(self.settings, ledger, encoders).digest()

    def said(self):
        """Where every prediction and rejection came from."""
        predicted = [decode(Prediction, record.value).arrival for record in self.read("predictions")]
        rejected = [decode(Rejection, record.value) for record in self.read("rejections")]
        return Counter(predicted), Counter((one.topic, one.partition, one.offset) for one in rejected)

    def audit(self):
        asking = asking_of(self.settings)
        read = clients(self.settings).read
        return audit(read, key=asking.key, stream=asking.stream, p_min=asking.p_min, group="askance").problems


def sent(number):
    product = Product(id=f"p{number}", title=f"{'red' if number % 2 else 'blue'} thing {number}")
    return Outgoing("products", product.id.encode(), encode(product))


def truth(number):
    return {"red": number % 2 == 1, "shoe": number % 3 == 0, "rare": number == 7}


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path / "data")


def told_everything(shop):
    """Labels as annotators send them: most before their query, then again, corrected, bad, late, and some never."""
    shop.label(lambda n: n < 30)
    shop.label(lambda n: n < 10)
    with closing(shop.writer()) as writer:
        writer.publish([Outgoing("labels", str(n).encode(), b"\xc1") for n in range(5)], None)


def told_the_rest(shop):
    shop.label(lambda n: 20 <= n < 45)
    shop.label(lambda n: n < 5, answers={"red": None, "shoe": True})
    shop.label(lambda n: 45 <= n < 50, answers={}, skipped=True)
    with closing(shop.writer()) as writer:
        writer.publish([Outgoing("labels", b"", b"{")], None)


WHOLE = {"issued": 60, "answered": 45, "skipped": 5, "expired": 0, "withdrawn": 0, "open": 10}


def whole(shop):
    """Everything that must hold in the end, whatever happened on the way."""
    predicted, rejected = shop.said()
    assert predicted == Counter(dict.fromkeys(shop.arrivals(), 1))
    assert (set(rejected.values()), len(rejected)) == ({1}, 7)
    assert shop.balance() == WHOLE
    assert len(set(shop.digests())) == 1
    assert shop.audit() == ()


def test_everything_is_done_once(shop):
    told_everything(shop)
    shop.serve()
    told_the_rest(shop)
    live = shop.serve()

    whole(shop)
    assert shop.digests()[0] == live


PUBLISHES = 10  # of the service in its first process, at least


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("n", range(1, PUBLISHES + 1))
def test_a_publish_in_doubt_is_neither_lost_nor_repeated(shop, moment, n):
    fault = Fault(moment, n, DeliveryFailed("the connection went away"))
    told_everything(shop)
    shop.serve(fault)
    told_the_rest(shop)
    live = shop.serve()

    assert fault.happened
    whole(shop)
    assert shop.digests()[0] == live


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("n", range(1, PUBLISHES + 1))
def test_a_death_at_a_publish_leaves_nothing_half_done(shop, moment, n):
    fault = Fault(moment, n, Killed())
    told_everything(shop)
    with pytest.raises(Killed):
        shop.serve(fault)
    shop.serve()
    told_the_rest(shop)
    live = shop.serve()

    whole(shop)
    assert shop.digests()[0] == live


@pytest.mark.parametrize("n", range(1, 12, 3))
def test_deaths_one_after_the_other_leave_nothing_half_done(tmp_path, n):
    shop = Shop(tmp_path / "data", **{"asking.share": 0.5, "asking.p_min": 0.1})
    shop.label()
    for moment, step in itertools.product(("before", "after"), (1, 2, n)):
        try:
            shop.serve(Fault(moment, step, Killed()), turns=4)
        except Killed:
            continue
    shop.serve()

    predicted, rejected = shop.said()
    balance = shop.balance()
    assert predicted == Counter(dict.fromkeys(shop.arrivals(), 1))
    assert list(rejected.values()) == [1]
    assert balance["answered"] == balance["issued"] == len(shop.read("queries"))
    assert len(set(shop.digests())) == 1
    assert shop.audit() == ()


def test_what_is_to_be_sent_goes_out_once_though_the_service_dies_before_it_notes_that(shop):
    with closing(shop.writer()) as writer:
        writer.publish([Outgoing("labels", b"k", b"\xc1")], None)
    first_score, then_the_outbox = 1, 1

    with pytest.raises(Killed):
        shop.serve(Fault("after", first_score + then_the_outbox, Killed()))
    with closing(Ledger(shop.settings.data_dir)) as ledger:
        kept = len(ledger.outbox())
    shop.serve()

    labels = [one for one in shop.said()[1].items() if one[0][0] == "labels"]
    assert (kept, [count for _, count in labels]) == (1, [1])


def test_what_was_learnt_serves_from_the_next_batch_on(shop):
    shop.label()
    shop.serve()

    said = [decode(Prediction, record.value) for record in in_order(shop.read("predictions"))]
    versions = [prediction.model for prediction in said]
    assert (versions[0], versions == sorted(versions), len(set(versions)) > 3) == (0, True, True)


def test_the_budget_goes_on_over_batches_and_restarts(tmp_path):
    shop = Shop(tmp_path / "data", **{"asking.share": 0.3, "asking.p_min": 0.1, "asking.policy": "random"})
    shop.serve(turns=3)
    shop.serve()

    chances = Counter(decode(Prediction, record.value).chance for record in shop.read("predictions"))
    budget = Budget(share=0.3, floor=0.1, eta=shop.settings.asking.eta, scale=1.0)
    assert chances == Counter(budget.chances_for(np.ones(PRODUCTS)).product.tolist())


def test_the_budget_of_an_output_goes_on_over_batches_and_restarts(tmp_path):
    asking = {"share": 0.3, "p_min": 0.1, "policy": "random", "unit": "output", "output_shares": {"shoe": 0.2}}
    shop = Shop(tmp_path / "data", **{f"asking.{name}": value for name, value in asking.items()})
    shop.serve(turns=3)
    shop.serve()

    budget = Budget(share=0.3, floor=0.1, eta=shop.settings.asking.eta, scale=1.0, output_shares={1: 0.2})
    chances = budget.chances_for(np.ones(PRODUCTS), np.ones((PRODUCTS, len(OUTPUTS))))
    queries = [decode(Query, record.value) for record in shop.read("queries")]
    assert {query.chance.get("shoe", 0.2) for query in queries} <= {0.2, *chances.outputs[:, 1].tolist()}
    with closing(Ledger(shop.settings.data_dir, read_only=True)) as ledger:
        assert ledger.traffic.output_scales() == {"shoe": budget.output_scales[1]}


def failing(times, error):
    def opener(open_log):
        left = itertools.count(times, -1)

        def open_() -> object:
            if next(left) > 0:
                raise error
            return open_log()

        return open_

    return opener


def test_a_log_out_of_reach_is_waited_for(shop):
    shop.serve(opener=failing(2, LogUnavailable("no broker")), turns=60)

    assert len(shop.read("predictions")) == PRODUCTS


def test_a_log_that_refuses_is_not_waited_for(shop):
    with pytest.raises(LogRefused, match="no rights"):
        shop.serve(opener=failing(1, LogRefused("no rights")))


class Slow:
    """A reader that knows nothing of the log's end before it has read something, as on Kafka."""

    def __init__(self, consumer, polls):
        self.consumer, self.polls = consumer, polls

    def poll(self, limit, timeout):
        self.polls -= 1
        return [] if self.polls >= 0 else self.consumer.poll(limit, timeout)

    def lag(self):
        return {} if self.polls >= 0 else self.consumer.lag()

    def position(self):
        return self.consumer.position()

    def committed(self):
        return self.consumer.committed()

    def close(self):
        self.consumer.close()


def test_answers_in_time_count_though_the_service_was_away_when_the_time_ran_out(tmp_path):
    shop = Shop(tmp_path / "data", **{"asking.expires_days": 3.0 / 86_400})
    shop.serve(turns=15)
    shop.label()
    asked = decode(Query, shop.read("queries")[-1].value)
    while time.time() <= asked.expires_at:
        time.sleep(0.1)

    def slowly(open_log):
        def open_() -> object:
            log = open_log()
            return replace(log, answers=Slow(log.answers, 3))

        return open_

    shop.serve(opener=slowly)

    assert (shop.balance()["answered"], shop.balance()["expired"]) == (60, 0)


def test_unanswered_queries_expire_and_their_late_answers_are_kept_but_not_learnt_from(tmp_path):
    shop = Shop(tmp_path / "data", **{"asking.expires_days": 0.1 / 86_400})
    shop.serve(turns=15)
    time.sleep(0.2)
    shop.serve()
    expired = shop.balance()["expired"]
    shop.label()
    shop.serve()

    with closing(Ledger(shop.settings.data_dir, read_only=True)) as ledger:
        assert (expired, ledger.outcomes(), ledger.batches.last()) == (60, {"expired": 60}, 0)


def test_withdrawn_queries_are_closed(shop):
    shop.serve(turns=15)
    with closing(shop.writer()) as writer:
        keys = [record.key for record in shop.read("queries")][:10]
        writer.publish([Outgoing("queries", key, None) for key in keys], None)
    shop.serve()

    assert shop.balance()["withdrawn"] == 10


def test_labels_in_any_order_with_queries_come_to_the_same_balance(tmp_path):
    balances = []
    for name, early in (("early", True), ("late", False)):
        shop = Shop(tmp_path / name)
        if not early:
            shop.serve()
        shop.label(lambda n: n % 3 > 0)
        shop.serve()
        balances.append(shop.balance())

    assert balances[0] == balances[1]
    assert (balances[0]["answered"], balances[0]["open"]) == (40, 20)


def scores(shop, output, **changes):
    service = make_both(read_settings(None, shop.changes | changes), CollectorRegistry())
    service.learning.ledger.close()
    products = [Product(id="1", title="red thing 1"), Product(id="2", title="blue thing 2")]
    members = service.learning.snapshot.members(featurise(products, bits=service.learning.snapshot.bits))
    return members.mean(axis=2)[:, service.learning.snapshot.outputs.index(output)]


def test_a_new_output_keeps_what_the_others_learnt(shop):
    shop.label()
    shop.serve()
    before = scores(shop, "red")

    after = scores(shop, "red", outputs=("new", *OUTPUTS))
    shop.serve(outputs=("new", *OUTPUTS))

    assert before[0] > before[1]
    assert after == pytest.approx(before, abs=1e-5)
    assert len(set(shop.digests())) == 1


def test_an_output_is_not_dropped_unless_that_is_confirmed(shop):
    shop.label()
    shop.serve()
    before = scores(shop, "red")

    with pytest.raises(Misconfigured, match=r"rare would be dropped.*learning\.confirm_removed"):
        shop.serve(outputs=("red", "shoe"))

    confirmed = {"outputs": ("red", "shoe"), "learning.confirm_removed": ("rare",)}
    assert scores(shop, "red", **confirmed) == pytest.approx(before, abs=1e-5)
    assert len(set(shop.digests())) == 1


def test_another_log_under_the_same_ledger_is_refused(shop):
    shop.label()
    shop.serve()
    for path in shop.settings.data_dir.glob(f"{FILE}*"):
        path.unlink()

    with pytest.raises(LogRefused, match="another log, or it has lost records"):
        shop.serve()


def test_a_restart_in_another_process_is_bit_identical(shop):
    shop.label()
    live = shop.serve()
    sets = [f"{name}={value}" for name, value in SMALL.items()]
    command = [sys.executable, "-m", "service", "ledger", "--rebuild", "--data-dir", str(shop.settings.data_dir)]
    for change in sets:
        command += ["--set", change]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert re.findall(r"[0-9a-f]{64}", done.stdout) == [live, live], done.stderr


def test_a_start_at_a_position_of_ones_own_reads_everything_again(shop):
    shop.serve()
    start = Position(group="again", offsets={})
    with closing(clients(shop.settings).read(("products",), "again", start)) as reader:
        assert len(reader.poll(1000, 0.0)) == PRODUCTS + 1


def big(number, size):
    return encode(Product(id=f"big{number}", title="big", image=bytes(size)))


def test_no_record_is_too_large_for_what_it_leads_to(tmp_path):
    shop = Shop(tmp_path / "data", **{"log.max_bytes": 64_000_000})
    with closing(shop.writer()) as writer:
        writer.publish([Outgoing("products", b"k", big(1, 1_999_900))], None)
        writer.publish([Outgoing("products", b"k", big(2, 1_990_000))], None)
        writer.publish([Outgoing("products", b"k", big(3, 1_500_000))], None)
        writer.publish([Outgoing("products", bytes(1_999_900), encode(Product(id="key", title="big key")))], None)
        writer.publish(
            [Outgoing("products", bytes(1_999_900), b"\xc1"), Outgoing("labels", bytes(1_999_900), b"\xc1")], None
        )
    shop.serve()

    said = {decode(Prediction, record.value).product for record in shop.read("predictions")}
    reasons = Counter(decode(Rejection, record.value).reason for record in shop.read("rejections"))
    assert said >= {"big3", "key"}
    assert reasons == {"too_large": 2, "undecodable": 3}
    assert shop.audit() == ()


def test_outputs_too_many_for_any_record_are_refused_at_the_start(tmp_path):
    with pytest.raises(Misconfigured, match="outputs: "):
        make_both(
            read_settings(None, {"data_dir": str(tmp_path), "outputs": tuple(f"{k:0500}" for k in range(2000))}),
            CollectorRegistry(),
        )


def test_an_output_with_a_control_character_is_refused_at_the_start(tmp_path):
    settings = read_settings(None, {"data_dir": tmp_path, "outputs": ("a\x1fb", "c")})

    with pytest.raises(Misconfigured, match="control character"):
        make_both(settings, CollectorRegistry())


def test_predictions_have_the_products_id_as_key_whatever_the_key_of_the_product(shop):
    with closing(shop.writer()) as writer:
        writer.publish([Outgoing("products", None, encode(Product(id="keyless", title="red")))], None)
    shop.serve()

    assert {(r.key.decode(), decode(Prediction, r.value).product) for r in shop.read("predictions")} == {
        (identity, identity) for identity in shop.arrivals().values()
    }


def test_a_log_that_opens_in_part_is_let_go_of(shop):
    shop.label()
    shop.serve()
    for path in shop.settings.data_dir.glob(f"{FILE}*"):
        path.unlink()
    before = len(list(Path("/proc/self/fd").iterdir()))

    with pytest.raises(LogRefused) as refused:
        shop.serve()

    assert (len(list(Path("/proc/self/fd").iterdir())), refused.type) == (before, LogRefused)


def test_our_own_queries_are_read_however_small_products_have_to_be(tmp_path):
    shop = Shop(
        tmp_path / "data", **{"log.max_bytes": 1_000, "outputs": tuple(f"output number {k}" for k in range(200))}
    )
    shop.serve()

    assert shop.balance()["issued"] == PRODUCTS
