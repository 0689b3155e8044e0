"""The judge of benchmarks and scripts of faults: content with a good run, and with none in which anything is wrong."""

from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry

from models.coding import decode, encode
from models.messages import Label, Product, Query
from models.records import Outgoing
from service.assembly import clients, make_both, open_both
from service.ledger import Ledger
from service.loop import run
from service.reading import read_topic
from service.settings import read_settings
from shared.turns import Turns
from verdict import judge

PRODUCTS = [f"p{number}" for number in range(30)]
SMALL = {
    "outputs": ("red", "shoe"), "asking.share": 1.0, "asking.p_min": 1.0, "asking.seed": "s", "log.wait_seconds": 0.0,
    "http.enabled": False, "model.bits": 12, "model.width": 8, "model.sketch": 8, "model.hidden": 16,
    "model.members": 2, "model.memory": 200, "model.batch": 16, "model.rehearsals": 2,
}  # fmt: skip


class Shop:
    """A log, and a service over it from time to time."""

    def __init__(self, folder):
        self.settings = read_settings(None, SMALL | {"data_dir": str(folder)})
        self.reach = clients(self.settings)

    def write(self, topic, *values):
        with closing(self.reach.write("shop")) as writer:
            writer.publish([Outgoing(topic, b"k", value) for value in values], None)

    def values(self, topic):
        return [record.value for record in read_topic(self.reach.read, topic)]

    def serve(self):
        service = make_both(self.settings, CollectorRegistry())
        with closing(service.learning.ledger) as ledger:
            run(service, open_both(self.settings, ledger), Turns(8))

    def change(self, statement):
        """Change the ledger behind everybody's back."""
        with closing(Ledger(self.settings.data_dir)) as ledger:
            ledger.traffic._sql.execute(statement)

    def wrong(self):
        return {name for name, held in judge(self.settings, PRODUCTS).holds.items() if not held}


@pytest.fixture
def shop(tmp_path):
    """All products scored, all but the last query answered and learnt from."""
    shop = Shop(tmp_path)
    shop.write("products", *(encode(Product(id=name, title=f"red thing {name}")) for name in PRODUCTS))
    shop.serve()
    queries = [decode(Query, value).id for value in shop.values("queries")][:-1]
    shop.write("labels", *(encode(Label(query=one, annotator="a", answers={"red": True})) for one in queries))
    shop.serve()
    return shop


@pytest.mark.usefixtures("one_thread")
def test_a_good_run_is_good_whatever_was_turned_away_or_sent_twice(shop):
    shop.write("labels", b"\xc1", *shop.values("labels")[:5])
    shop.write("queries", b"\xc1")
    shop.write("products", b"{")
    shop.serve()

    assert shop.wrong() == set()


WRONG = {
    "a prediction twice": (
        lambda shop: shop.write("predictions", shop.values("predictions")[0]),
        {"every product predicted, none twice", "every query issued, none twice", "audit clean",
         "every tally counted once"},
    ),
    "a product that nobody scored": (
        lambda _: PRODUCTS.append("lost"),
        {"every product predicted, none twice"},
    ),
    "a query twice": (
        lambda shop: shop.write("queries", shop.values("queries")[0]),
        {"every query issued, none twice", "audit clean", "ledger balanced", "every tally counted once"},
    ),
    "a label that was not read": (
        lambda shop: shop.write("labels", shop.values("labels")[0]),
        {"every label accounted for"},
    ),
    "a count that went wrong": (
        lambda shop: shop.change("UPDATE counts SET n = n + 1 WHERE name = 'open'"),
        {"ledger balanced"},
    ),
    "a tally counted twice": (
        lambda shop: shop.change("UPDATE traffic SET n = n + 1"),
        {"every tally counted once"},
    ),
    "a lesson learnt twice": (
        lambda shop: shop.change(
            "INSERT INTO lessons SELECT batch, place + 1000, query, shares FROM lessons LIMIT 1"
        ),
        {"every label applied at most once"},
    ),
    "a lesson that nobody gave": (
        lambda shop: shop.change("UPDATE lessons SET shares = (SELECT X'80') WHERE place = 0"),
        {"rebuilt model the same"},
    ),
}  # fmt: skip


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found(shop, name, monkeypatch):
    monkeypatch.setitem(globals(), "PRODUCTS", [*PRODUCTS])
    spoil, expected = WRONG[name]

    spoil(shop)

    assert shop.wrong() == expected
