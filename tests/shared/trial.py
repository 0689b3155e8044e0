"""A service with a bad model, answers that may turn round, and commands: for the tests of candidates."""

from contextlib import closing
from dataclasses import replace

from prometheus_client import CollectorRegistry

from models.chance import query_id
from models.coding import encode
from models.messages import Label, Product
from models.records import Outgoing
from service.assembly import clients, make_both, open_both
from service.audit import audit
from service.challenges import Kind
from service.halves import asking_of
from service.learners import beside, configured, encoders_of, rebuilt, restored
from service.ledger import Ledger
from service.loop import run
from service.promotion import served
from service.recipes import recipe
from service.settings import read_settings
from shared.turns import Turns

PRODUCTS = 300


SETTINGS = {
    "outputs": ("red", "shoe"), "asking.share": 1.0, "asking.p_min": 1.0, "asking.seed": "s",
    "log.partitions": 1, "log.batch": 20, "log.wait_seconds": 0.0, "learning.batch": 40, "http.enabled": False,
    "learning.checkpoint_seconds": 3600, "model.bits": 12, "model.width": 8, "model.sketch": 8, "model.hidden": 16,
    "model.members": 2, "model.memory": 500, "model.batch": 16, "model.rehearsals": 1, "model.steps_per_lesson": 0.1,
}  # fmt: skip


BAD = {"model.cost": 0.0001, "model.mix": 0.0, "model.calibration": "none"}  # never departs from what is common


BETTER = ("--set", "model.cost=30")


class Killed(BaseException):
    """The process is gone: nothing after this happens."""


def answer(n, turns=()):
    """The answer about a product; at each of `turns` what `red` is said of turns round."""
    said = {"red": (n + sum(n >= turn for turn in turns)) % 2 == 1, "shoe": n % 7 == 3}
    label = Label(query=query_id("askance", f"products/0/{n}"), annotator="a", answers=said)
    return Outgoing("labels", label.query.encode(), encode(label))


class Shop:
    """A data directory with a feed and the answers to all of it, served process after process."""

    def __init__(self, folder, arrivals=PRODUCTS, turns=(), **changes):
        self.changes = SETTINGS | changes | {"data_dir": str(folder)}
        self.settings = read_settings(None, self.changes)
        products = [Product(id=f"p{n}", title=f"{'red' if n % 2 else 'blue'} thing {n % 7}") for n in range(arrivals)]
        with closing(clients(self.settings).write("shop")) as writer:
            writer.publish([Outgoing("products", one.id.encode(), encode(one)) for one in products], None)
            writer.publish([answer(n, turns) for n in range(arrivals)], None)

    def ask(self, what, **changes):
        """As the command does it, once the service has run."""
        self.serve(2)
        wanted = recipe(replace(configured(self.settings, encoders_of(self.settings)).settings, **changes), 0)
        with closing(Ledger(self.settings.data_dir, beside=True)) as ledger, ledger.transaction():
            ledger.challenges.ask(what, wanted, 1.0)

    def serve(self, turns, die=None, during=None):
        """One process. It may die when its ledger is so; something may be done in its middle. Its model's digest."""
        service = make_both(self.settings, CollectorRegistry())
        opened = open_both(self.settings, service.learning.ledger)

        def open_log():
            log = opened()
            return (
                log
                if die is None
                else replace(log, producer=Mortal(log.producer, lambda: die(service.learning.ledger)))
            )

        try:
            run(service, open_log, Turns(turns // 2 if during else turns))
            if during:
                during()
                run(service, open_log, Turns(turns // 2))
            return service.learning.learner.digest()
        finally:
            service.learning.ledger.close()

    def known(self):
        """What serves after what, by its cost; the newest candidate; the epochs."""
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            stack = served(ledger, configured(self.settings, encoders_of(self.settings)))
            costs = [recipe.settings.cost for recipe in stack]
            return costs, ledger.challenges.newest(Kind.CANDIDATE), [one.reason for one in ledger.evidence.epochs()]

    def since(self):
        """The batches from which on what serves after what has learnt; and how often drift was found."""
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            stack = served(ledger, configured(self.settings, encoders_of(self.settings)))
            return [recipe.since for recipe in stack], sum(ledger.drift.counts().values())

    def digests(self):
        """Of the model that a restart would serve and of the one the ledger alone makes."""
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            encoders = encoders_of(self.settings)
            now = restored(self.settings, ledger, encoders).learner
            return now.digest(), rebuilt(self.settings, ledger, encoders).digest()

    def beside(self):
        """Digests and sums of those beside the one that serves: as a restart has them, and anew."""
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            rivals, running = beside(self.settings, ledger, encoders_of(self.settings)), ledger.challenges.running()
            live = {one.kind: (rivals.digests(one.number), one.contrasts) for one in running}
            return live, {one.kind: rivals.anew(ledger, one) for one in running}

    def audit(self):
        asking, read = asking_of(self.settings), clients(self.settings).read
        return audit(read, key=asking.key, stream=asking.stream, p_min=asking.p_min, group="askance").problems


class Mortal:
    """A producer whose process dies right after a publish."""

    def __init__(self, producer, doomed):
        self.producer, self.doomed = producer, doomed

    def publish(self, records, past):
        self.producer.publish(records, past)
        if self.doomed():
            raise Killed

    def close(self):
        self.producer.close()


def after(publishes):
    left = iter(range(publishes - 1))
    return lambda _: next(left, None) is None


def compared(ledger):
    return any(one.contrasts for one in ledger.challenges.running())
