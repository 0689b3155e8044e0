"""A service on the embedded log with a feed of sixty products, to be broken and asked: for its tests."""

from collections import Counter
from contextlib import closing
from dataclasses import replace

from prometheus_client import CollectorRegistry

from models.chance import query_id
from models.coding import decode, encode
from models.messages import Label, Prediction, Product, Rejection
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
