"""The service keeps to a number of labels an hour, however fast the feed comes."""

import time
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry

from models.coding import decode, encode
from models.messages import Prediction, Product
from models.records import Outgoing
from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE
from producers.topics import topics
from service.assembly import clients, make_both, open_both
from service.loop import run
from service.reading import in_order, read_topic
from service.settings import read_settings
from shared.turns import Turns

PER_MINUTE, MINUTES, LABELS = 10, 90, 60.0


def test_labels_an_hour_are_met(tmp_path):
    changes = {
        "data_dir": str(tmp_path), "outputs": ("red",), "asking.policy": "random", "asking.share": 0.9,
        "asking.p_min": 0.01, "asking.eta": 0.2, "asking.labels_per_hour": LABELS, "asking.seed": "s", "model.bits": 12,
        "log.partitions": 1, "log.batch": PER_MINUTE, "log.wait_seconds": 0.0, "http.enabled": False,
    }  # fmt: skip
    settings = read_settings(None, changes)
    began, minute = time.time() - 60 * MINUTES, 0
    with closing(SqliteWriter(tmp_path / FILE, topics=topics(), clock=lambda: began + 60 * minute)) as writer:
        for minute in range(MINUTES):
            products = [Product(id=f"{minute}-{i}", title="a hat") for i in range(PER_MINUTE)]
            writer.publish([Outgoing("products", one.id.encode(), encode(one)) for one in products], None)
    service = make_both(settings, CollectorRegistry())

    run(service, open_both(settings, service.learning.ledger), Turns(2 * MINUTES))
    service.learning.ledger.close()

    said = in_order(read_topic(clients(settings).read, "predictions"))
    chances = [decode(Prediction, record.value).chance for record in said]
    assert len(chances) == PER_MINUTE * MINUTES
    # What the first two minutes overspend, while the pace is unknown, is saved over the next hour.
    assert sum(chances[: 2 * PER_MINUTE]) > 15
    assert sum(chances) == pytest.approx(LABELS * MINUTES / 60, rel=0.08)
