"""Products a second through a real Kafka, exactly once, beside what transport and model allow: docs/benchmarks.md.

    python benchmarks/throughput_kafka.py --kafka HOST:PORT [--ways NAME ...] [--rounds N] [--products N]
                                          [--batch N] [--sizes BYTES ...] [--page FILE]

Three take turns in each round, in one process, over the same products of the same topic:

- *echo*: our own adapters read a batch and publish, in a transaction past it, as many records of the same sizes as
  scoring would; no model. What the transport allows.
- *model*: the scoring step alone, records in memory. What the model allows.
- *askance*: the scoring half as `askance score` runs it: read, score, publish with the place after it.

Wall time, with the broker beside it on the same cores; shown are medians over rounds, of ratios too.
"""

import argparse
import json
import logging
import os
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import structlog
import torch
from kept import RESULTS, ROOT
from offers import offers, records
from prometheus_client import CollectorRegistry
from proof_page import put
from step import Served, steps, taught
from taken import processor, started
from throughput_table import line, told

from consumers.port import LogUnavailable
from models.records import Outgoing, Record
from models.shipping import Orders
from producers.port import DeliveryFailed
from service.assembly import Clients, clients
from service.cli import settled
from service.encoders import Encoders
from service.halves import ahead_of, scoring_half
from service.metrics import Metrics
from service.scoring import score_turn, serve, settle
from service.settings import Settings, read_settings

OUTPUTS: Final = 60
ANSWERS: Final = 2_000
SIZES: Final = {300: 260, 1_000: 950}  # bytes wanted, and asked for: the last sentence goes beyond
WAYS: Final[dict[str, dict[str, object]]] = {
    "kafka-python": {},
    "kafka-python, one process": {"kafka.writer_apart": False},
    "confluent": {"kafka.client": "confluent"},
}
COLUMNS: Final = (
    "bytes a product", "echo", "model alone", "**askance**", "of echo", "of the lower of both",
    "µs: echo", "µs: askance", "µs: its writer's process",
)  # fmt: skip
IDLE: Final = 5.0  # seconds to wait for a record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", required=True, help="a broker: `make kafka`")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--products", type=int, default=80_000)
    parser.add_argument("--batch", type=int, default=2_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--report", type=Path, default=RESULTS / "throughput-kafka.json")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    torch.set_num_threads(1)
    found = [one for size in given.sizes for one in measured(size, given)]
    given.report.parent.mkdir(parents=True, exist_ok=True)
    given.report.write_text(json.dumps({"machine": told(given), "runs": found}, indent=1) + "\n")
    put(given.page, "throughput through Kafka", rows(told(given), found))


def measured(size: int, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Rounds over one size of products, for each way to score."""
    served = taught(offers(ANSWERS, size=SIZES.get(size, size), seed=0), OUTPUTS)
    arriving = records(offers(given.products, size=SIZES.get(size, size), seed=1))
    said = [scored.outgoing for scored in steps(served, arriving, given.batch)]
    prefix = f"throughput-{uuid.uuid4().hex[:8]}."
    ways = {name: settings_of(given, name, prefix) for name in given.ways}
    fill(next(iter(ways.values())), arriving)
    settled()
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(given.rounds):
        model = alone(served, arriving, given.batch)
        echoes: dict[str, Spent] = {}
        for name, settings in ways.items():
            if settings.kafka.client not in echoes:
                echo = partial(Echo, said, given.batch)
                echoes[settings.kafka.client] = at_last(
                    clients(settings), settings, f"echo-{name}-{number}", len(arriving), echo
                )
            reach = clients(settings, apart=settings.kafka.writer_apart)
            scoring = partial(Scoring, served, settings, len(arriving))
            spent = at_last(reach, settings, f"score-{name}-{number}", len(arriving), scoring)
            rounds[name].append(
                {
                    "echo": len(arriving) / echoes[settings.kafka.client].seconds,
                    "model": len(arriving) / model,
                    "askance": len(arriving) / spent.seconds,
                    "processor": 1e6 * spent.here / len(arriving),
                    "writer": 1e6 * spent.apart / len(arriving),
                    "echo_processor": 1e6 * echoes[settings.kafka.client].here / len(arriving),
                }
            )
    bytes_ = sum(len(record.value or b"") for record in arriving) / len(arriving)
    return [{"way": name, "bytes": round(bytes_), **summed(each), "rounds": each} for name, each in rounds.items()]


def settings_of(given: argparse.Namespace, way: str, prefix: str) -> Settings:
    changes = {
        "kafka.bootstrap": given.kafka, "log.prefix": prefix, "log.partitions": 6, "log.batch": given.batch,
        "asking.seed": "a benchmark's seed of the draws", "log.wait_seconds": 1.0,
    }  # fmt: skip
    return read_settings(None, changes | WAYS[way])


def fill(settings: Settings, arriving: list[Record]) -> None:
    writer = clients(settings).write("fill")
    for first in range(0, len(arriving), 5_000):
        part = arriving[first : first + 5_000]
        writer.publish([Outgoing("products", record.key, record.value, record.partition) for record in part], None)
    writer.close()


class Echo:
    """Publishes what scoring said of as many products, whatever was read."""

    def __init__(self, said: list[tuple[Outgoing, ...]], batch: int) -> None:
        self.said = [record for outgoing in said for record in outgoing]
        self.each = len(self.said) / (len(said) * batch)  # records a product

    def turn(self, products: Any, producer: Any, batch: int) -> int:
        read = products.poll(batch, IDLE)
        if read:
            producer.publish(self.said[: round(self.each * len(read))], products.position())
        return len(read)


class Scoring:
    """The scoring half as `askance score` has it, with a model that was handed over; it counts what it has taken."""

    def __init__(self, served: Served, settings: Settings, count: int) -> None:
        self.registry, self.taken, self.count = CollectorRegistry(), 0, count
        metrics = Metrics(self.registry, (), version="0")
        self.half = scoring_half(settings, Encoders("cpu", 1), metrics, make_key=False, ahead=ahead_of(settings))
        share, now = settings.asking.share, time.time()
        orders = Orders(share=share, factor=1.0, finished=(), scale=1.0, yardstick=False, encoder="", made_at=now)
        serve(self.half, served.yardstick.snapshot, orders)  # what it watches by
        serve(self.half, served.snapshot, orders)

    def turn(self, products: Any, producer: Any, _: int) -> int:
        before = self.taken
        score_turn(self.half, products, producer)
        if self.half.publishing is not None and self._taken() + self.half.publishing[0].arrivals >= self.count:
            settle(self.half)  # nothing comes any more, which the next turn would wait for
        self.taken = self._taken()
        return self.taken - before

    def _taken(self) -> int:
        return int(self.registry.get_sample_value("askance_arrivals_total") or 0)


class Spent(NamedTuple):
    """Seconds: on the clock, of the processor in this process, and of the processor in those it has started."""

    seconds: float
    here: float
    apart: float


def at_last(reach: Clients, settings: Settings, group: str, count: int, make: Callable[[], Any]) -> Spent:
    """As `through`, with another group if that goes into a rebalance: the service would open its clients anew."""
    for attempt in range(3):
        try:
            return through(reach, settings, f"{group}-{attempt}", count, make())
        except (DeliveryFailed, LogUnavailable) as error:
            print(f"{group}: {error}; once more")
    raise SystemExit(f"{group} does not come to rest")


def through(reach: Clients, settings: Settings, group: str, count: int, step: Any) -> Spent:
    """What so many products take off the log, at the pace of all batches but the first, which waits to join."""
    with closing(reach.write(group)) as writer, closing(reach.read(("products",), group, None)) as reader:
        first = 0
        while not first:
            first = step.turn(reader, writer, settings.log.batch)
        done, begun = first, (time.perf_counter(), time.process_time(), apart())
        while done < count:
            done += step.turn(reader, writer, settings.log.batch)
        ended = (time.perf_counter(), time.process_time(), apart())
    return Spent(*((after - before) * count / (count - first) for before, after in zip(begun, ended, strict=True)))


def apart() -> float:
    """Processor seconds so far of the processes that this one has started and that live."""
    return sum(map(processor, started(os.getpid())))


def alone(served: Served, arriving: list[Record], batch: int) -> float:
    begun = time.perf_counter()
    for _ in steps(served, arriving, batch):
        pass
    return time.perf_counter() - begun


def summed(rounds: list[dict[str, float]]) -> dict[str, Any]:
    return {
        **{what: round(median(each[what] for each in rounds)) for what in rounds[0]},
        "of_echo": round(median(each["askance"] / each["echo"] for each in rounds), 2),
        "of_lower": round(median(each["askance"] / min(each["echo"], each["model"]) for each in rounds), 2),
    }


def rows(machine: dict[str, Any], found: list[dict[str, Any]]) -> str:
    lines = [
        f"Machine: {machine['cpu']}, {machine['cores']} cores, the broker beside it, load average {machine['load']}.",
        f"Medians of {machine['rounds']} rounds of {machine['products']:,} products, {machine['batch']:,} a batch.",
        "",
        f"| way | {' | '.join(COLUMNS)} |",
        "| --- |" + " ---: |" * len(COLUMNS),
    ]
    for one in found:
        cells = [f"{one['bytes']}", f"{one['echo']:,}", f"{one['model']:,}", f"**{one['askance']:,}**"]
        cells += [f"{one['of_echo']:.2f}", f"{one['of_lower']:.2f}"]
        lines.append(
            line(one["way"], [*cells, *(str(one[name]) for name in ("echo_processor", "processor", "writer"))])
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
