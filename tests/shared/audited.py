"""A log that scorers have worked on, and ways to make it say other than what was decided."""

import dataclasses

import msgspec

from consumers.sqlite import SqliteReader
from models.coding import MAX_BYTES, decode, encode
from models.learner import Learner
from models.lessons import LearnerSettings
from models.messages import Prediction, Product, Query
from models.policies import POLICIES
from models.records import Outgoing
from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE
from producers.topics import topics
from service.audit import audit
from service.deciding import Asking
from service.score import score

SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=3, memory=50, batch=16, rehearsals=2)
SNAPSHOT = Learner(("red", "shoe", "rare"), SMALL, seed=0).snapshot()
ASKING = Asking(
    policy=POLICIES["iwal"], unit="product", share=0.3, p_min=0.1, eta=0.02, key=b"secret", stream="s", expires=3600.0
)
NUMBER = 40


class Shop:
    """A log with products, what was said of them, and a scorer's group past them."""

    def __init__(self, folder, *short):
        """A log that forgets all but a little of the topics in `short`."""
        self.folder = folder
        kept = {topic.name: dataclasses.replace(topic, keep_bytes=1_000) for topic in topics().values()}
        self.writer = SqliteWriter(
            folder / FILE,
            topics={name: kept[name] if name in short else topic for name, topic in topics(partitions=2).items()},
            durable=False,
        )
        products = [
            Outgoing("products", f"p{n}".encode(), encode(Product(id=f"p{n}", title=f"red shoe {n}")))
            for n in range(NUMBER)
        ]
        self.writer.publish([*products, Outgoing("products", b"bad", b"\xc1")], None)
        self.reader = SqliteReader(folder / FILE, topics=("products",), group="askance")
        self.records = self.reader.poll(1000, 0.0)
        self.past = self.reader.position()

    def scored(self, **changes):
        asking = dataclasses.replace(ASKING, **changes)
        return list(
            score(self.records, SNAPSHOT, asking, scale=1.0, limit=MAX_BYTES, now=1.2e9, clock=lambda: 0.0).outgoing
        )

    def publish(self, outgoing, past=...):
        self.writer.publish(outgoing, self.past if past is ... else past)
        return self

    def read(self, names, group, start):
        return SqliteReader(self.folder / FILE, topics=names, group=group, start=start)

    def audit(self, key=b"secret"):
        return audit(self.read, key=key, stream="s", p_min=0.1, group="askance")


def first(outgoing, topic, wanted=lambda _: True):
    """Place and message of the first record of a topic that is as wanted."""
    kind = {"predictions": Prediction, "queries": Query}[topic]
    for place, one in enumerate(outgoing):
        if one.topic == topic and wanted(message := decode(kind, one.value)):
            return place, message
    raise AssertionError(topic)


def changed(outgoing, topic, wanted=lambda _: True, **fields):
    """The same records with one message changed; and that message as it was."""
    place, message = first(outgoing, topic, wanted)
    other = outgoing[place]._replace(value=encode(msgspec.structs.replace(message, **fields)))
    return [*outgoing[:place], other, *outgoing[place + 1 :]], message


def asked(prediction):
    return prediction.asked


def not_asked(prediction):
    return not prediction.asked
