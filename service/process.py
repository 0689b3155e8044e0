"""What one process of the service holds, and the change from one model to another."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from consumers.port import Consumer
from models.port import Learning, Serving
from models.watched import Yardstick
from producers.port import Producer
from service.allowance import Allowance
from service.checkpoints import catch_up, fingerprint
from service.deciding import Asking
from service.http import Health
from service.keeping import Every, Keeper
from service.ledger import Ledger
from service.metrics import Metrics
from service.promotion import served
from service.reacting import Watch
from service.recipes import Recipe
from service.rivals import Rivals
from service.stopping import Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The log as both roles use it; opened together, dropped together."""

    products: Consumer
    answers: Consumer  # reads queries, labels and tallies from where the ledger stands
    producer: Producer

    def close(self) -> None:
        """Let go of all three. Twice is once."""
        for client in (self.products, self.answers, self.producer):
            client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is taken at once, and how long to wait for it."""

    products: int
    answers: int
    wait: float  # seconds
    max_bytes: int
    annotators: int  # answers that settle a query


@dataclass(slots=True, kw_only=True)
class Service:
    """What outlives the log's connections. One thread owns all of it."""

    ledger: Ledger
    learner: Learning
    recipe: Recipe  # of it
    rivals: Rivals
    savings: bool  # are measured
    snapshot: Serving
    asking: Asking
    scale: float  # of the budget, after the last arrival published
    output_scales: Mapping[str, float]  # of outputs with a share of their own, then
    pace: Pace
    keeper: Keeper
    metrics: Metrics
    health: Health
    expiry: Every
    targets: Targets
    allowance: Allowance
    watch: Watch | None  # for drift
    display: Every  # the learner's place is shown to the log when it has nothing else to publish


def bring_in(service: Service) -> None:
    """Let the model serve that the ledger says should, with those beside it that it says are tried."""
    ledger, rivals = service.ledger, service.rivals
    recipe = served(ledger, rivals.configured)[-1]
    if recipe != service.recipe:
        keep(service)  # the way back
        service.recipe = recipe
        name = fingerprint(*recipe)
        service.learner = rivals.names().get(name) or rivals.resumed(ledger, recipe)
        for _ in catch_up(service.learner, ledger):
            service.health.turned()
        service.keeper.settings, service.keeper.batch = name, None
        service.snapshot = service.learner.snapshot()
        service.metrics.serving(service.snapshot.version, time.time())
        if service.watch is not None:  # arrivals are now encoded for this model
            service.watch.yardstick = Yardstick.of(service.snapshot)
    for _ in rivals.settle(ledger):
        service.health.turned()


def keep(service: Service) -> None:
    """Keep the model that serves and those beside it, and what the model before needs to come back."""
    before = [fingerprint(*recipe) for recipe in served(service.ledger, service.rivals.configured)[-2:]]
    service.keeper.keep(service.learner, service.ledger, service.metrics, service.rivals.names(), before)
