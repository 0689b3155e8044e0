"""What the whole service does with budgets, time, outputs and sizes, restarts included."""

import time
from collections import Counter
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.chance import Budget
from models.coding import decode, encode
from models.features import featurise
from models.messages import Prediction, Product, Query, Rejection
from models.records import Outgoing
from service.assembly import make_both
from service.ledger import Ledger
from service.settings import Misconfigured, read_settings
from shared.shop import OUTPUTS, PRODUCTS, Shop


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


@pytest.mark.slow
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


def test_our_own_queries_are_read_however_small_products_have_to_be(tmp_path):
    shop = Shop(
        tmp_path / "data", **{"log.max_bytes": 1_000, "outputs": tuple(f"output number {k}" for k in range(200))}
    )
    shop.serve()

    assert shop.balance()["issued"] == PRODUCTS
