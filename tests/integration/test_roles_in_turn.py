"""A scorer and a learner in one process, one after the other: what each does with what it finds on the log."""

import time
from contextlib import closing
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from models.coding import decode, encode
from models.messages import Label, Prediction, Product
from models.records import Outgoing
from producers.port import Fenced, LogRefused
from service.assembly import clients, make_learner, make_scorer, open_learner, open_scorer
from service.learning import learn_turn, orders_of
from service.ledger_file import LedgerUnusable
from service.loop import run
from service.reading import read_topic
from service.settings import Misconfigured, read_settings
from shared.turns import Turns

PRODUCTS = 20
SMALL = {
    "outputs": ("red", "shoe"), "asking.seed": "s", "asking.share": 0.5, "asking.p_min": 0.2, "log.partitions": 2,
    "log.wait_seconds": 0.0, "learning.snapshot_seconds": 60.0, "http.enabled": False, "model.bits": 12,
    "model.width": 8, "model.sketch": 8, "model.hidden": 16, "model.members": 2,
}  # fmt: skip


class Pair:
    """The two roles over one data directory, each with series of its own."""

    def __init__(self, folder, **changes):
        self.changes = SMALL | {"data_dir": str(folder)} | changes
        self.settings = read_settings(None, self.changes)
        self.registry = CollectorRegistry()
        with closing(clients(self.settings).write("feed")) as writer:
            products = [Product(id=f"p{number}", title="a red hat") for number in range(PRODUCTS)]
            writer.publish([Outgoing("products", one.id.encode(), encode(one)) for one in products], None)

    def learn(self, turns=3, opened=lambda log: log):
        self.registry = CollectorRegistry()
        learner = make_learner(self.settings, self.registry)
        open_log = open_learner(self.settings, learner.half.ledger)
        with closing(learner.half.ledger):
            run(learner, lambda: opened(open_log()), Turns(turns))
        return learner

    def score(self, turns=4, opened=lambda log: log):
        self.registry = CollectorRegistry()
        scorer = make_scorer(self.settings, self.registry)
        open_log = open_scorer(self.settings)
        run(scorer, lambda: opened(open_log()), Turns(turns))
        return scorer

    def answer(self):
        asked = read_topic(clients(self.settings).read, "queries")
        labels = [Label(query=one.key.decode(), annotator="a", answers={"red": True}, at=time.time()) for one in asked]
        with closing(clients(self.settings).write("annotators")) as writer:
            writer.publish([Outgoing("labels", one.query.encode(), encode(one)) for one in labels], None)

    def value(self, name, **labels):
        return self.registry.get_sample_value(name, labels)

    def predicted(self):
        records = read_topic(clients(self.settings).read, "predictions")
        return sorted(decode(Prediction, record.value).product for record in records)


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


class Deposed:
    """A producer whose name somebody else takes, once."""

    happened = 0

    def __init__(self, producer):
        self.producer = producer

    def publish(self, records, past):
        if not Deposed.happened:
            Deposed.happened += 1
            raise Fenced("ProducerFencedError")
        self.producer.publish(records, past)

    def close(self):
        self.producer.close()


@pytest.fixture
def deposed():
    Deposed.happened = 0
    return lambda log: replace(log, producer=Deposed(log.producer))


def test_a_scorer_without_a_secret_of_the_draws_says_what_to_do(tmp_path):
    with pytest.raises(Misconfigured, match=r"asking\.seed: not given.*the same in every.*ASKANCE_ASKING__SEED"):
        make_scorer(read_settings(None, SMALL | {"asking.seed": "", "data_dir": str(tmp_path)}), CollectorRegistry())


def test_a_scorer_waits_for_a_model_outside_the_group(pair):
    scorer = pair.score()

    assert "no snapshot" in scorer.health.missing()["snapshot"]
    assert (scorer.half.served, pair.predicted()) == (None, [])


def test_a_scorer_serves_what_the_learner_sent(pair):
    learner = pair.learn()
    sent = pair.value("askance_snapshots_shipped_total"), pair.value("askance_snapshot_bytes_total") > 1_000
    scorer = pair.score()

    assert (sent, pair.value("askance_snapshots_taken_total")) == ((1.0, True), 1.0)
    assert pair.predicted() == sorted(f"p{number}" for number in range(PRODUCTS))
    assert scorer.health.model()["version"] == learner.half.snapshot.version
    assert scorer.half.served.orders == replace(learner.shipped[1], yardstick=scorer.half.served.orders.yardstick)
    assert "snapshot" not in scorer.health.missing()


def test_a_model_is_sent_no_more_often_than_allowed_unless_there_is_nothing_new(pair):
    pair.learn(turns=30)

    assert pair.value("askance_snapshots_shipped_total") == 1.0


def test_a_learner_that_has_answers_to_read_leaves_the_model_there_alone(pair):
    pair.learn()
    pair.score()
    pair.settings = read_settings(None, pair.changes | {"learning.batch": 1})
    pair.learn(turns=3)
    early = pair.value("askance_snapshots_shipped_total")
    pair.learn(turns=60)

    assert (early, pair.value("askance_snapshots_shipped_total")) == (0.0, 1.0)


def test_a_learner_whose_name_was_taken_ends(pair, deposed):
    with pytest.raises(LogRefused, match="another learner of this stream has begun"):
        pair.learn(opened=deposed)


def test_a_scorer_whose_name_was_taken_joins_again(pair, deposed):
    pair.learn()
    pair.score(turns=12, opened=deposed)

    assert (Deposed.happened, len(pair.predicted())) == (1, PRODUCTS)
    assert pair.value("askance_log_failures_total", kind="delivery_failed") == 1.0


def test_two_learners_of_one_ledger_are_refused(pair):
    learner = make_learner(pair.settings, CollectorRegistry())
    with closing(learner.half.ledger), pytest.raises(LedgerUnusable, match="another process learns there"):
        make_learner(pair.settings, CollectorRegistry())


def test_what_is_learnt_counts_until_it_pays_to_keep_it(pair):
    pair.learn()
    pair.score()
    pair.answer()
    learner = make_learner(pair.settings, CollectorRegistry())
    half, open_log = learner.half, open_learner(pair.settings, learner.half.ledger)
    with closing(half.ledger), closing(open_log()) as log_now:
        half.keeper.every.due(time.time())  # so that none is due for a minute
        learn_turn(half, log_now.answers, log_now.producer)
        learnt, kept = half.keeper.behind, half.keeper.batch
        half.keeper.behind += 2.0
        learn_turn(half, log_now.answers, log_now.producer)

    assert (learnt > 0.0, kept) == (True, 0)
    assert (half.keeper.behind, half.keeper.batch) == (0.0, half.learner.version)


def test_labels_an_hour_become_the_share_in_the_orders(tmp_path):
    pair = Pair(tmp_path, **{"asking.labels_per_hour": 30.0, "asking.share": 0.9, "asking.p_min": 0.001})
    learner = make_learner(pair.settings, CollectorRegistry())
    with closing(learner.half.ledger):
        half = learner.half
        before = orders_of(half).share
        half.allowance._arrivals, half.allowance._seconds = 600.0, 3_600.0
        after = orders_of(half).share

    assert (before, after) == (0.9, pytest.approx(30.0 / 600.0))
