"""Small queries and labels, a ledger and a learner to join them; metrics of their own registry."""

import itertools
import time
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from models.coding import encode
from models.learner import Learner
from models.lessons import LearnerSettings
from models.messages import Because, Label, Product, Query
from models.records import Position, Record
from service.learn import learn
from service.ledger import Ledger
from service.metrics import Metrics

OUTPUTS = ("red", "shoe", "rare")
SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=2, memory=200, batch=16, rehearsals=2)


class Desk:
    """A ledger, a learner, and a log of what they were told, told record by record."""

    def __init__(self, folder, outputs=OUTPUTS):
        self.folder = folder
        self.ledger = Ledger(folder)
        if self.ledger.batches.last() < 0:
            with self.ledger.transaction():
                self.ledger.batches.add_outputs(outputs, 0.0)
        self.learner = Learner(outputs, SMALL, seed=0)
        self.offsets = itertools.count()
        self.told = {}

    def query(self, identity, *, ask=OUTPUTS, chance=0.5, expires_at=2e9, title=None):
        query = Query(
            id=identity, arrival=f"products/0/{identity.strip('q')}", ask=list(ask), chance=chance, scores=b"", model=0,
            product=Product(id=f"p-{identity}", title=title or f"red shoe {identity}"), policy="iwal", priority=0.0,
            because=Because(disagreement={}, combined=0.0, floor=0.1, scale=1.0, threshold={}), asked_at=1e9,
            expires_at=expires_at,
        )  # fmt: skip
        return self.record("queries", identity, encode(query))

    def label(self, identity, annotator="ann", *, at=1.1e9, **fields):
        return self.record("labels", identity, encode(Label(query=identity, annotator=annotator, **fields)), at=at)

    def withdrawal(self, identity):
        return self.record("queries", identity, None)

    def record(self, topic, key, value, *, at=1.1e9):
        return Record(topic, 0, next(self.offsets), key.encode(), value, at)

    def tell(self, *records, now=1.2e9, wanted=1, caught_up=False, reaction=None):
        for record in records:
            self.told[record.topic, 0] = record.offset + 1
        past = Position(group="learner", offsets=dict(self.told))
        return learn(
            records, past, self.ledger, self.learner, wanted=wanted, limit=100_000, now=now, caught_up=caught_up,
            clock=time.perf_counter, reaction=reaction,
        )  # fmt: skip

    def state(self, identity):
        kept = self.ledger.query(identity)
        return SimpleNamespace(state=kept.state.value, shares=dict(kept.shares))


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path / "data")
    yield desk
    desk.ledger.close()


@pytest.fixture
def new_desk(tmp_path):
    """Desks over the same folder, one after the other, as a restart makes them."""
    desks = []

    def make(outputs=OUTPUTS):
        for desk in desks:
            desk.ledger.close()
        desks.append(Desk(tmp_path / "data", outputs))
        return desks[-1]

    yield make
    for desk in desks:
        desk.ledger.close()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry):
    return Metrics(registry, ["category:shoes", "category:bags"], version="1.2.3")
