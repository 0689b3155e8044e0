"""What scoring and learning cost after many products: one process that goes on, as `askance run` does, without a log.

Seconds are the processor's, less what other work on the machine adds: at each mark the model of the first mark scores
the same products in turns with the present one, and what it takes longer than it took then is taken off everything.
"""

import os
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Final

import msgspec
from offers import offers, records, said, sayings
from prometheus_client import CollectorRegistry
from step import Served, steps
from taken import resident

from models.coding import encode, read
from models.messages import Label, Query
from models.records import Outgoing, Position, Record
from service.encoders import Encoders
from service.halves import learning_half, scoring_half
from service.http import Health
from service.learning import LearningHalf, learn_turn, orders_of
from service.metrics import Metrics
from service.scoring import ScoringHalf, score_turn, serve
from service.settings import read_settings

OUTPUTS: Final = 60
POOL: Final = 20_000  # products that come again and again, under other ids and each with a word of its own
BATCH: Final = 1_000
STRETCH: Final = 50_000  # products between two looks, and before the first
ANSWERS: Final = 64  # learnt in each stretch
PARTITIONS: Final = 6
COMPARED: Final = 4_000  # products scored again at each mark
ROUNDS: Final = 5


@dataclass
class Lane:
    """Records on their way to one reader, instead of a topic."""

    waiting: deque[Record] = field(default_factory=deque)
    places: dict[tuple[str, int], int] = field(default_factory=dict)

    def put(self, records: Sequence[Outgoing]) -> None:
        for record in records:
            place = (record.topic, record.partition or 0)
            at = self.places[place] = self.places.get(place, 0) + 1
            self.waiting.append(Record(*place, at - 1, record.key, record.value, time.time()))

    def poll(self, limit: int, _: float) -> list[Record]:
        return [self.waiting.popleft() for _ in range(min(limit, len(self.waiting)))]

    def position(self) -> Position:
        return Position(group="growth", offsets=dict(self.places))

    def lag(self) -> Mapping[tuple[str, int], int]:
        return dict.fromkeys(self.places, 0) if not self.waiting else dict.fromkeys(self.places, 1)


@dataclass
class Pipe:
    """Takes what the halves publish: all is counted, queries and tallies go to the learner, a few queries are kept."""

    answers: Lane
    bytes: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    asked: list[Query] = field(default_factory=list)  # of this stretch, the first few

    def publish(self, records: Sequence[Outgoing], past: Position | None) -> None:  # noqa: ARG002 - the port's
        for record in records:
            self.records[record.topic] += 1
            self.bytes[record.topic] += len(record.key or b"") + len(record.value or b"")
            if record.topic == "queries" and len(self.asked) < ANSWERS:
                self.asked.append(read(Query, as_read(record), limit=4_000_000))
        self.answers.put([record for record in records if record.topic in ("queries", "tallies")])


def as_read(record: Outgoing) -> Record:
    return Record(record.topic, 0, 0, record.key, record.value, 0.0)


def history(marks: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Score that many products and learn on the way; what it costs in the stretch before each mark."""
    pool = offers(POOL, size=260, seed=1)
    outputs = sayings(pool, OUTPUTS)
    with tempfile.TemporaryDirectory(prefix="askance-growth-") as temporary:
        settings = read_settings(
            None,
            {"data_dir": temporary, "outputs": outputs, "log.batch": BATCH, "log.wait_seconds": 0.0,
             "asking.seed": "a benchmark's seed of the draws"},
        )  # fmt: skip
        metrics = Metrics(CollectorRegistry(), version="0")
        encoders, health = Encoders("cpu", 1), Health(time.monotonic, patience=1e9)
        learning = learning_half(settings, encoders, metrics, health)
        scoring = scoring_half(settings, encoders, metrics, make_key=False)
        products, answers = Lane(), Lane()
        pipe, seen, first = Pipe(answers), 0, None
        again = records(pool[:COMPARED])
        while seen < max(marks):
            costs, pipe.asked = Counter(), []
            for _ in range(STRETCH // BATCH):
                products.put([renewed(pool[number % POOL], number) for number in range(seen, seen + BATCH)])
                pipe.bytes["products"] += sum(len(one.value or b"") + len(one.key or b"") for one in products.waiting)
                seen += BATCH
                costs["scoring"] += scored(scoring, learning, products, pipe)
                costs["joining"] += learnt(learning, answers, pipe)
            answers.put([answered(query, outputs) for query in pipe.asked])
            costs["learning"] += learnt(learning, answers, pipe)
            costs["answers"] = len(pipe.asked)
            if seen in marks:
                first = first or First.of(serving(scoring), again)
                yield look(seen, costs, pipe, learning, Path(temporary)) | first.beside(serving(scoring), again)
        learning.ledger.close()


def serving(scoring: ScoringHalf) -> Served:
    assert scoring.served is not None
    assert scoring.served.yardstick is not None
    return Served(scoring.served.snapshot, scoring.served.yardstick, "")


@dataclass(frozen=True, slots=True)
class First:
    """The model of the first mark, and the seconds it took then."""

    served: Served
    seconds: float

    @classmethod
    def of(cls, served: Served, again: list[Record]) -> "First":
        return cls(served, median(spent(served, again) for _ in range(ROUNDS)))

    def beside(self, served: Served, again: list[Record]) -> dict[str, float]:
        """How much slower the machine is than then, and what the present model takes of what this one takes."""
        both = [(spent(self.served, again), spent(served, again)) for _ in range(ROUNDS)]
        return {
            "slower": round(median(mine for mine, _ in both) / self.seconds, 3),
            "microseconds_then": round(1e6 * self.seconds / len(again), 1),
            "times_the_first": round(median(now / mine for mine, now in both), 3),
        }


def spent(served: Served, again: list[Record]) -> float:
    return sum(sum(each.seconds.values()) for each in steps(served, again, BATCH))


def renewed(product: Any, number: int) -> Outgoing:
    """The product as another: its id is new, and its title has a word that no other has."""
    mine = msgspec.structs.replace(product, id=f"p-{number}", title=f"{product.title} art{number}")
    return Outgoing("products", mine.id.encode(), encode(mine), number % PARTITIONS)


def answered(query: Query, outputs: Sequence[str]) -> Outgoing:
    title = said(query.product)
    answers = {output: output.removeprefix("says:") in title for output in outputs}
    return Outgoing("labels", query.id.encode(), encode(Label(query=query.id, annotator="growth", answers=answers)))


def scored(scoring: ScoringHalf, learning: LearningHalf, products: Lane, pipe: Pipe) -> float:
    """Score what waits; seconds of this process."""
    began = process_time()
    serve(scoring, learning.snapshot, orders_of(learning))
    score_turn(scoring, products, pipe)
    return process_time() - began


def learnt(learning: LearningHalf, answers: Lane, pipe: Pipe) -> float:
    """Let the learner take all that waits for it; seconds of this process."""
    began = process_time()
    while answers.waiting:
        learn_turn(learning, answers, pipe)
    return process_time() - began


def look(seen: int, costs: Counter[str], pipe: Pipe, learning: LearningHalf, folder: Path) -> dict[str, Any]:
    ledger = sum(path.stat().st_size for path in folder.glob("ledger.sqlite*"))
    return {
        "seen": seen,
        "microseconds_of_scoring": round(1e6 * costs["scoring"] / STRETCH, 1),
        "microseconds_of_joining": round(1e6 * costs["joining"] / STRETCH, 1),
        "milliseconds_per_answer": round(1e3 * costs["learning"] / max(1, costs["answers"]), 2),
        "megabytes": round(resident(os.getpid()) / 1e6),
        "megabytes_of_ledger": round(ledger / 1e6, 1),
        "answers": learning.ledger.balance()["answered"],
        "queries": pipe.records["queries"],
        "features": len(learning.snapshot.seen),
        "bytes_per_product": {topic: round(size / seen, 1) for topic, size in pipe.bytes.items()},
    }
