"""Snapshots on the wire: bytes and milliseconds of full shipments and of increments; on docs/kafka.md.

    python benchmarks/snapshots.py DATA [--feeds NAME ...] [--answers N] [--page FILE]

A learner is taught the first products of each feed in batches of 16, its snapshot shipped after each, and received. The
figures are medians of the last quarter of the shipments. The part of the page between the two marks is replaced.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import torch
from kept import feeds_of

from models.coding import decode
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.messages import SnapshotPart
from models.records import Record
from models.shipping import Orders, Receiver, Shipper
from service.feeds import read_outputs, read_products

BEGIN, END = "<!-- snapshots: begin -->", "<!-- snapshots: end -->"
SORTS = ("full", "changes")
BATCH = 16
ORDERS = Orders(share=0.1, factor=1.0, finished=(), scale=1.0, yardstick=False, encoder="", made_at=1_790_000_000.0)


@dataclass(frozen=True)
class Shipment:
    full: bool
    outputs: int
    rows: int
    bytes: int
    learn: float  # seconds
    ship: float
    take: float


def lessons(data: Path, feed: str) -> tuple[tuple[str, ...], Iterator[Lesson]]:
    outputs = read_outputs(data / f"{feed}.outputs.json")
    chance = np.full(len(outputs), 0.5, np.float32)

    def each() -> Iterator[Lesson]:
        for number, entry in enumerate(read_products(data / f"{feed}.jsonl.gz")):
            targets = np.array([output in (entry.labels or ()) for output in outputs], np.float32)
            yield Lesson(query=f"q{number}", product=entry.product, targets=targets, chance=chance)

    return outputs, each()


def shipments(data: Path, feed: str, answers: int) -> Iterator[Shipment]:
    outputs, answered = lessons(data, feed)
    learner, shipper, receiver = Learner(outputs, LearnerSettings(), seed=1), Shipper(), Receiver()
    for number in range(1, answers // BATCH + 1):
        times = [time.perf_counter()]
        rows = learner.update(number, list(islice(answered, BATCH))).rows
        snapshot = learner.snapshot()
        times.append(time.perf_counter())
        outgoing = shipper.ship(snapshot, ORDERS)
        times.append(time.perf_counter())
        records = [Record(record.topic, 0, 0, record.key, record.value, 0.0) for record in outgoing]
        times.append(time.perf_counter())
        received = receiver.take(records)
        times.append(time.perf_counter())
        assert received is not None
        size = sum(len(record.value or b"") for record in outgoing)
        learn, ship, _, take = np.diff(times).tolist()
        full = not decode(SnapshotPart, outgoing[0].value or b"").base
        yield Shipment(full, len(outputs), rows, size, learn, ship, take)


def row(feed: str, made: list[Shipment]) -> str:
    last = made[-len(made) // 4 :]
    cells = [feed, f"{made[-1].outputs}", f"{made[-1].rows:,}", f"{1e3 * median(one.learn for one in last):.0f}"]
    for full in (True, False):
        kind = [one for one in last if one.full == full]
        cells += [f"{median(one.bytes for one in kind) / 1e6:.1f}"] if kind else ["-"]
        cells += [
            f"{1e3 * median(getattr(one, what) for one in kind):.0f}" if kind else "-" for what in ("ship", "take")
        ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--feeds", nargs="+")
    parser.add_argument("--answers", type=int, default=1_120)
    parser.add_argument("--page", type=Path, default=Path("docs/kafka.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        "| feed | outputs | features | learn, ms "
        + "".join(f"| {what}, MB | ship, ms | take, ms " for what in SORTS)
        + "|",
        "| --- |" + " ---: |" * 9,
    ]
    for feed in feeds_of(arguments.data, arguments.feeds):
        rows.append(row(feed, list(shipments(arguments.data, feed, arguments.answers))))
        print(rows[-1], file=sys.stderr, flush=True)
    before, rest = arguments.page.read_text().split(BEGIN)
    _, after = rest.split(END)
    arguments.page.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}")


if __name__ == "__main__":
    main()
