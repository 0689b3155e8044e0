"""The whole service on a feed that changes: it notices by itself, asks more for a while, and evaluates anew."""

from contextlib import closing

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.coding import decode, encode
from models.messages import Prediction, Product, Tally
from models.records import Outgoing
from service.assembly import clients, make_both, open_both
from service.audit import audit
from service.halves import asking_of
from service.learners import encoders_of, rebuilt, restored
from service.ledger import Ledger
from service.loop import run
from service.reading import read_topic
from service.settings import read_settings
from shared.turns import Turns

STEADY, CHANGED = 2_560, 1_920
SMALL = {
    "model.bits": 12, "model.width": 8, "model.sketch": 8, "model.hidden": 16, "model.members": 2, "model.memory": 200,
    "model.batch": 16, "model.rehearsals": 2,
}  # fmt: skip


def sent(number):
    words = ("shoe", "hat", "bag") if number < STEADY else ("Lampe", "Tisch", "Stuhl")
    product = Product(id=f"p{number}", title=f"{words[number % 3]} {words[number % 2]} {number % 97}")
    return Outgoing("products", product.id.encode(), encode(product))


@pytest.fixture
def served(tmp_path):
    """Settings and registries of a feed served by processes one after the other, seven turns each."""

    def serve(**changes):
        settings = read_settings(
            None,
            SMALL | {
                "data_dir": str(tmp_path / "data"), "outputs": ("red", "shoe"), "asking.share": 0.1, "asking.seed": "s",
                "log.partitions": 2, "log.batch": 128, "log.wait_seconds": 0.0, "learning.batch": 500,
                "drift.arrivals": 800, "http.enabled": False,
            } | changes,
        )  # fmt: skip
        with closing(clients(settings).write("feed")) as writer:
            writer.publish([sent(number) for number in range(STEADY + CHANGED)], None)
        for _ in range(6):
            service = make_both(settings, CollectorRegistry())
            run(service, open_both(settings, service.learning.ledger), Turns(14))
            service.learning.ledger.close()
        return settings

    return serve


def test_a_feed_that_changes_is_noticed_though_nobody_answers(served):
    settings = served(**{"drift.recalibrate_on": 64})
    ledger = Ledger(settings.data_dir, read_only=True)
    alarm = ledger.drift.newest()
    epochs = [epoch.reason for epoch in ledger.evidence.epochs()]

    assert (alarm.number, STEADY <= alarm.arrivals < STEADY + 1_300) == (1, True)
    assert epochs == ["first outputs", alarm.detail]
    restarted = restored(settings, ledger, encoders_of(settings)).learner
    assert (restarted.version, restarted.digest()) == (1, rebuilt(settings, ledger, encoders_of(settings)).digest())


def test_more_is_asked_while_the_reaction_lasts_and_every_decision_still_holds(served):
    settings = served()
    alarm = Ledger(settings.data_dir, read_only=True).drift.newest()
    tallies = [decode(Tally, record.value) for record in read_topic(clients(settings).read, "tallies")]
    seen, chances = 0, {"before": [], "during": []}
    for tally in sorted(tallies, key=lambda tally: tally.at):
        when = "before" if seen < alarm.arrivals else "during" if alarm.arrivals + 640 <= seen < alarm.until else ""
        chances.get(when, []).append(tally.chance / tally.n)
        seen += tally.n
    asking = asking_of(settings)
    found = audit(
        clients(settings).read, key=asking.key, stream=asking.stream, p_min=asking.p_min, group=settings.kafka.group
    )

    assert np.mean(chances["before"]) == pytest.approx(0.1, rel=0.1)
    assert np.mean(chances["during"]) == pytest.approx(0.2, rel=0.1)
    assert (found.found, found.arrivals) == (0, STEADY + CHANGED)


def test_nothing_is_measured_where_nobody_looks(served):
    settings = served(**{"drift.watch": False})
    tallies = [decode(Tally, record.value) for record in read_topic(clients(settings).read, "tallies")]
    predictions = [decode(Prediction, record.value) for record in read_topic(clients(settings).read, "predictions")]

    assert {tally.signals for tally in tallies} == {None}
    assert len(predictions) == STEADY + CHANGED
    assert Ledger(settings.data_dir, read_only=True).drift.newest() is None
