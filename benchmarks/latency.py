"""From product to prediction, and from label to a model that has learnt it, through a real log, by load.

    python benchmarks/latency.py --kafka HOST:PORT [--roles run|split] [--shares 0.1 0.5 0.8] [--seconds 30]
    python benchmarks/latency.py [--roles run|split]                                 # the embedded log

The most products a second that it keeps up with are measured first, from a backlog. Then products come at shares of
that rate, each at its own time whatever happens to those before (an open loop, so a stall counts for all that had to
wait). *Prediction*: from the moment a product was due to the moment its prediction is readable, read committed.
*Label*: every query is answered at once; from sending the label to the first prediction read by a model that has
learnt from it.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from exactly_once import Run
from proof_page import put
from rich.console import Console
from rich.table import Table

from models.coding import encode, read
from models.messages import Prediction, Product, Query
from models.records import Outgoing, Position
from service.assembly import clients
from service.catalogue import generate, write_feed
from service.crowd import Habits, answer
from service.ledger import Ledger

BACKLOG: int = 20_000
WARM: float = 5.0  # seconds at the start of each load that do not count
LARGE: int = 64_000_000
QUANTILES = (0.5, 0.99, 0.999)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", default="", help="broker; without it the embedded log")
    parser.add_argument("--roles", choices=("run", "split"), default="run")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.5, 0.8])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--share", type=float, default=0.02, help="of products asked about")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, passed on to the service")
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--report", type=Path, default=Path("benchmarks/results/latency.json"))
    return parser.parse_args()


@dataclass
class Feed:
    """Sends products and labels, and notes when; one writer for both, one thread at a time."""

    products: Iterator[tuple[Product, frozenset[str] | None]]
    writer: object
    truth: dict[str, frozenset[str] | None] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)  # by product
    labelled: dict[str, float] = field(default_factory=dict)  # by query
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, times: list[float]) -> None:
        records = []
        for at in times:
            product, labels = next(self.products)
            self.truth[product.id], self.due[product.id] = labels, at
            records.append(Outgoing("products", product.id.encode(), encode(product)))
        with self.lock:
            self.writer.publish(records, None)

    def reply(self, queries: list[Query]) -> None:
        records = []
        for query in queries:
            label = answer(query, self.truth.get(query.product.id), "someone", Habits(), at=time.time())
            records.append(Outgoing("labels", query.id.encode(), encode(label)))
        with self.lock:
            now = time.monotonic()
            self.writer.publish(records, None)
        self.labelled.update({query.id: now for query in queries})

    def stream(self, rate: float, seconds: float) -> None:
        """Send `rate` products a second, each at its own time; what is due is sent together."""
        begun, sent, wanted = time.monotonic(), 0, int(rate * seconds)
        while sent < wanted:
            now = time.monotonic()
            due = min(wanted, int((now - begun) * rate) + 1)
            if due > sent:
                self.send([begun + n / rate for n in range(sent, due)])
                sent = due
            time.sleep(max(0.0, begun + sent / rate - time.monotonic()))


@dataclass
class Seen:
    """What was readable when: predictions by product, and the first of each model."""

    reader: object
    feed: Feed
    processes: list[subprocess.Popen[bytes]]
    predicted: dict[str, float] = field(default_factory=dict)
    models: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        records = self.reader.poll(2_000, 0.005)
        if any(process.poll() is not None for process in self.processes):
            raise SystemExit("a process ended by itself")
        now, queries = time.monotonic(), []
        for record in records:
            if record.topic == "queries" and record.value is not None:
                queries.append(read(Query, record, limit=LARGE))
            elif record.topic == "predictions":
                prediction = read(Prediction, record, limit=LARGE)
                self.predicted[prediction.product] = now
                self.models.setdefault(prediction.model, now)
        if queries:
            self.feed.reply(queries)


def most(seen: Seen) -> float:
    """Products a second from a backlog, after its first tenth."""
    first = len(seen.feed.due)
    seen.feed.send([time.monotonic()] * BACKLOG)
    names = list(seen.feed.due)[first:]
    while not all(name in seen.predicted for name in names[-100:]) or len(seen.predicted) < len(seen.feed.due):
        seen.look()
    times = np.sort([seen.predicted[name] for name in names])
    begun = BACKLOG // 10
    return float((BACKLOG - begun) / max(times[-1] - times[begun], 1e-9))


def at(rate: float, seconds: float, seen: Seen, data: Path) -> dict[str, object]:
    """Latencies at a load."""
    first, labelled = len(seen.feed.due), set(seen.feed.labelled)
    sender = threading.Thread(target=seen.feed.stream, args=(rate, seconds), daemon=True)
    sender.start()
    while sender.is_alive() or len(seen.predicted) < len(seen.feed.due):
        seen.look()
    until = time.monotonic() + 5.0
    while time.monotonic() < until:  # answers still on their way, seen by a few products more
        seen.feed.send([time.monotonic()])
        seen.look()
        time.sleep(0.02)
    skipped = int(rate * WARM)
    names = list(seen.feed.due)[first + skipped : first + int(rate * seconds)]
    waits = [seen.predicted[name] - seen.feed.due[name] for name in names]
    return {"rate": round(rate), "prediction": spread(waits), "label": spread(learnt(seen, labelled, data))}


def learnt(seen: Seen, before: set[str], data: Path) -> list[float]:
    """Seconds from each label to a prediction by a model that has learnt from it."""
    ledger = Ledger(data, read_only=True)
    versions = np.array(sorted(seen.models))
    waits = []
    for query, sent in seen.feed.labelled.items():
        batches = ledger.batches.taught_by(query)
        later = versions[versions >= batches[0]] if batches else versions[:0]
        if query not in before and len(later):
            waits.append(max(0.0, min(seen.models[version] for version in later.tolist()) - sent))
    ledger.close()
    return waits


def spread(waits: list[float]) -> dict[str, float]:
    """Quantiles in milliseconds, and of how many."""
    found = np.quantile(waits, QUANTILES) * 1_000 if waits else [float("nan")] * len(QUANTILES)
    return {"n": len(waits)} | {f"p{100 * q:g}": round(float(ms), 1) for q, ms in zip(QUANTILES, found, strict=True)}


def main() -> None:
    given, console = options(), Console()
    given.log = "kafka" if given.kafka else "sqlite"
    with tempfile.TemporaryDirectory(prefix="askance-latency-") as temporary:
        given.outputs = write_feed(Path(temporary) / "shop.jsonl.gz", 2_000, seed=0)
        if given.roles == "split":
            given.set = ["asking.seed=0123456789abcdef0123456789abcdef", *given.set]
        run = Run(given, Path(temporary))
        if given.roles == "run":
            processes = [run.start("run", "--outputs", given.outputs)]
        else:
            processes = [run.start("learn", "--outputs", given.outputs), run.start("score")]
        reach = clients(run.settings)
        feed = Feed(((entry.product, entry.labels) for entry in generate(10**9, seed=1)), reach.write("latency"))
        reader = reach.read(("predictions", "queries"), "latency", Position(group="latency"))
        seen = Seen(reader, feed, processes)
        most(seen)  # to have learnt something
        rate = most(seen)
        console.print(f"{rate:,.0f} products a second from a backlog")
        loads = [at(share * rate, given.seconds, seen, run.settings.data_dir) for share in given.shares]
        seen.reader.close()
        feed.writer.close()
        for process in processes:
            process.terminate()
            process.wait(60)
    table = Table("load", "products/s", title=f"{given.log}, {given.roles}: milliseconds")
    for what in ("prediction", "label"):
        for quantile in QUANTILES:
            table.add_column(f"{what} p{100 * quantile:g}", justify="right")
    for share, load in zip(given.shares, loads, strict=True):
        cells = [f"{load[what][f'p{100 * q:g}']:,.0f}" for what in ("prediction", "label") for q in QUANTILES]
        table.add_row(f"{share:.0%}", f"{load['rate']:,}", *cells)
    console.print(table)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    report = {"machine": machine, "log": given.log, "roles": given.roles, "most": round(rate), "loads": loads}
    given.report.parent.mkdir(parents=True, exist_ok=True)
    given.report.write_text(json.dumps(report, indent=1) + "\n")
    put(given.page, "latency", lines(given, report))


def lines(given: argparse.Namespace, report: dict[str, Any]) -> str:
    """The part of the page: a row per load."""
    titles = [f"{what} p{100 * quantile:g}" for what in ("prediction", "label") for quantile in QUANTILES]
    found = [
        (
            f"{report['machine']}; {given.log}, {'`learn` and `score` apart' if given.roles == 'split' else '`run`'}, "
            f"at most {report['most']:,} products a second; milliseconds."
        ),
        "",
        "| load | products a second | " + " | ".join(titles) + " |",
        "| ---: |" + " ---: |" * (1 + len(titles)),
    ]
    for share, load in zip(given.shares, report["loads"], strict=True):
        cells = [f"{load[what][f'p{100 * q:g}']:,.0f}" for what in ("prediction", "label") for q in QUANTILES]
        found.append(f"| {share:.0%} | {load['rate']:,} | " + " | ".join(cells) + " |")
    return "\n".join(found)


if __name__ == "__main__":
    main()
