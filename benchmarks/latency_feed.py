"""Products sent at their time, queries answered at once, and when each prediction was readable: for `latency.py`."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from subprocess import Popen
from threading import Lock

import msgspec

from consumers.port import Consumer
from models.coding import encode, read
from models.messages import Product, Query
from models.records import Outgoing
from producers.port import Producer
from service.assembly import clients
from service.crowd import Habits, answer
from service.ledger import Ledger
from service.settings import Settings

LARGE: int = 64_000_000  # bytes of a record
TICK: float = 0.002  # seconds between two looks at what is due
SETTLING: float = 120.0  # seconds, at most

Truth = frozenset[str] | None
Send = Callable[[Sequence[Outgoing]], None]


class Told(msgspec.Struct):
    """What is looked at of a prediction."""

    product: str
    model: int


TOLD = msgspec.msgpack.Decoder(Told)


def sender(settings: Settings) -> Send:
    """How a feed sends: on Kafka without waiting and in no transaction, so that it takes little itself."""
    writer = clients(settings).write("latency")  # which also sees to the topics
    if not settings.kafka.bootstrap:
        return partial(_publish, writer, Lock())
    writer.close()
    import confluent_kafka  # noqa: PLC0415 - an extra

    producer = confluent_kafka.Producer(
        {"bootstrap.servers": settings.kafka.bootstrap, "linger.ms": 1, "enable.idempotence": True}
    )

    def send(records: Sequence[Outgoing]) -> None:
        for record in records:
            producer.produce(settings.log.prefix + record.topic, record.value, record.key)
        producer.poll(0)

    return send


def _publish(writer: Producer, one_at_a_time: Lock, records: Sequence[Outgoing]) -> None:
    with one_at_a_time:
        writer.publish(records, past=None)


@dataclass
class Feed:
    """Sends products and labels, and notes when."""

    products: Iterator[tuple[Product, Truth]]
    send: Send
    truth: dict[str, Truth] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)  # by product
    labelled: dict[str, float] = field(default_factory=dict)  # by query
    made: list[tuple[str, Outgoing]] = field(default_factory=list)  # beforehand: products by id, the next one last

    def prepare(self, count: int) -> None:
        """Have the next products ready as records, so that sending them takes little."""
        for product, labels in islice(self.products, count):
            self.truth[product.id] = labels
            self.made.append((product.id, Outgoing("products", product.id.encode(), encode(product))))
        self.made.reverse()

    def next(self, times: Sequence[float]) -> None:
        """Send the next products, due at these times."""
        some = [self.made.pop() for _ in times]
        self.due.update({name: at for (name, _), at in zip(some, times, strict=True)})
        self.send([record for _, record in some])

    def reply(self, queries: Sequence[Query]) -> None:
        """Answer at once."""
        labels = [
            answer(query, self.truth.get(query.product.id), "someone", Habits(), at=time.time()) for query in queries
        ]
        self.labelled.update(dict.fromkeys([query.id for query in queries], time.monotonic()))
        self.send([Outgoing("labels", label.query.encode(), encode(label)) for label in labels])

    def stream(self, rate: float, count: int) -> None:
        """Send `rate` products a second, each at its own time; what is due is sent together."""
        begun, sent = time.monotonic(), 0
        while sent < count:
            due = min(count, int((time.monotonic() - begun) * rate) + 1)
            if due > sent:
                self.next([begun + n / rate for n in range(sent, due)])
                sent = due
            time.sleep(TICK)


@dataclass
class Seen:
    """What was readable when: predictions by product, and the first of each model."""

    reader: Consumer
    feed: Feed
    processes: Sequence[Popen[bytes]]
    predicted: dict[str, float] = field(default_factory=dict)
    models: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """Take in what has become readable; answer queries."""
        records = self.reader.poll(2_000, 0.005)
        if not records and any(process.poll() is not None for process in self.processes):
            raise SystemExit("a process ended by itself")
        now, queries = time.monotonic(), []
        for record in records:
            if record.topic == "queries" and record.value is not None:
                queries.append(read(Query, record, limit=LARGE))
            elif record.value is not None:
                told = TOLD.decode(record.value)
                self.predicted[told.product] = now
                self.models.setdefault(told.model, now)
        if queries:
            self.feed.reply(queries)

    def settle(self, data: Path) -> None:
        """Go on with few products until all answers are learnt, and a model that has learnt them serves."""
        until, looked = time.monotonic() + SETTLING, time.monotonic()
        self.feed.prepare(int(SETTLING / 0.02))
        while time.monotonic() < until:
            self.feed.next([time.monotonic()])
            self.look()
            time.sleep(0.02)
            if time.monotonic() < looked + 1.0:
                continue
            looked = time.monotonic()
            with closing(Ledger(data, read_only=True)) as ledger:
                behind, waiting = ledger.batches.last() - max(self.models, default=0), ledger.balance()["open"]
            if behind <= 2 and waiting <= 2:  # those of just now
                break
        self.feed.made.clear()
        while len(self.predicted) < len(self.feed.due):
            self.look()
