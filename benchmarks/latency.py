"""From product to prediction, and from label to a model that has learnt it, through a real log, by load.

    python benchmarks/latency.py --kafka HOST:PORT [--roles run|split] [--shares 0.1 0.5 0.8] [--seconds 30]
    python benchmarks/latency.py [--roles run|split]                                 # the embedded log

The most products a second that it keeps up with are measured first, from a backlog (or given: --most). Then products
come at shares of that rate, each at its own time whatever happens to those before (an open loop, so a stall counts for
all that had to wait). *Prediction*: from the moment a product was due to the moment its prediction is readable, read
committed. *Label*: every query is answered at once; from sending the label to the first prediction read by a model that
has learnt from it. Each load begins when the answers before it are learnt. *Cores*: seconds of the processor per
second, of the learner, the scorer and its writer, the feed with its reader, and of all else, the broker above all.

Products are made beforehand and sent in no transaction, as most feeds do; on Kafka the feed uses confluent's client
(the extra `confluent`), which leaves more of the machine to the service.
"""

import argparse
import gc
import json
import os
import platform
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import numpy as np
from exactly_once import Run
from latency_feed import Feed, Seen, sender
from proof_page import put
from rich.console import Console
from rich.table import Table
from taken import everything, with_started

from models.records import Position
from service.assembly import clients
from service.catalogue import generate, write_feed
from service.ledger import Ledger

BACKLOG: Final = 20_000
WARM: Final = 5.0  # seconds at the start of each load that do not count
QUANTILES: Final = (0.5, 0.99, 0.999)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", default="", help="broker; without it the embedded log")
    parser.add_argument("--roles", choices=("run", "split"), default="run")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.5, 0.8])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--share", type=float, default=0.002, help="of products asked about")
    parser.add_argument("--most", type=float, help="products a second that shares are of; default: measured")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, passed on to the service")
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--report", type=Path, default=Path("benchmarks/results/latency.json"))
    return parser.parse_args()


def most(seen: Seen) -> float:
    """Products a second from a backlog, after its first tenth."""
    seen.feed.prepare(BACKLOG)
    names = [name for name, _ in reversed(seen.feed.made)]
    seen.feed.next([time.monotonic()] * BACKLOG)
    while not seen.predicted.keys() >= set(names[-100:]) or len(seen.predicted) < len(seen.feed.due):
        seen.look()
    times = np.sort([seen.predicted[name] for name in names])
    begun = BACKLOG // 10
    return float((BACKLOG - begun) / max(times[-1] - times[begun], 1e-9))


def at(rate: float, seconds: float, seen: Seen, data: Path) -> dict[str, object]:
    """Latencies and cores at a load."""
    seen.settle(data)
    count, feed = int(rate * seconds), seen.feed
    feed.prepare(count)
    names = [name for name, _ in reversed(feed.made)][int(rate * WARM) :]
    before, begun = cores(seen), time.monotonic()
    sending = threading.Thread(target=feed.stream, args=(rate, count), daemon=True)
    sending.start()
    while sending.is_alive() or len(seen.predicted) < len(feed.due):
        seen.look()
    ended = time.monotonic()
    used = {name: round((after - before[name]) / (ended - begun), 2) for name, after in cores(seen).items()}
    seen.settle(data)
    waits = [seen.predicted[name] - feed.due[name] for name in names]
    with closing(Ledger(data, read_only=True)) as ledger:
        labels = [
            served - sent
            for query, sent in feed.labelled.items()
            if begun + WARM <= sent <= ended and (served := learnt(query, seen, ledger)) is not None
        ]
    return {"rate": round(rate), "prediction": spread(waits), "label": spread(labels), "cores": used}


def learnt(query: str, seen: Seen, ledger: Ledger) -> float | None:
    """When the first prediction was read by a model that has learnt from the label."""
    first = min(ledger.batches.taught_by(query), default=None)
    later = [at for version, at in seen.models.items() if first is not None and version >= first]
    return min(later, default=None)


def cores(seen: Seen) -> dict[str, float]:
    """Seconds that each took of the processor so far; the scorer with its writer's process."""
    roles = ("learn", "score") if len(seen.processes) == 2 else ("run",)
    used = {role: with_started(process.pid) for role, process in zip(roles, seen.processes, strict=True)}
    used["feed"] = time.process_time()
    return used | {"others": everything() - sum(used.values())}


def spread(waits: list[float]) -> dict[str, float]:
    """Quantiles in milliseconds, and of how many."""
    found = np.quantile(waits, QUANTILES) * 1_000 if waits else [float("nan")] * len(QUANTILES)
    return {"n": len(waits)} | {f"p{100 * q:g}": round(float(ms), 1) for q, ms in zip(QUANTILES, found, strict=True)}


def main() -> None:
    given, console = options(), Console(width=160)
    given.log = "kafka" if given.kafka else "sqlite"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    gc.disable()  # its pauses would be taken for the service's
    with tempfile.TemporaryDirectory(prefix="askance-latency-") as temporary, ExitStack() as stack:
        given.outputs = write_feed(Path(temporary) / "shop.jsonl.gz", 2_000, seed=0)
        if given.roles == "split":
            given.set = ["asking.seed=0123456789abcdef0123456789abcdef", *given.set]
        run = Run(given, Path(temporary))
        stack.callback(run.leave_none)
        own = run.settings
        if given.kafka:
            own = own.model_copy(update={"kafka": own.kafka.model_copy(update={"client": "confluent"})})
        feed = Feed(((entry.product, entry.labels) for entry in generate(10**9, seed=1)), sender(own))
        if given.roles == "run":
            processes = [run.start("run", "--outputs", given.outputs)]
        else:
            processes = [run.start("learn", "--outputs", given.outputs), run.start("score")]
        reader = clients(own).read(("predictions", "queries"), "latency", Position(group="latency"))
        seen = Seen(reader, feed, processes)
        most(seen)  # to have learnt something
        rate = given.most or most(seen)
        console.print(f"{rate:,.0f} products a second {'were given' if given.most else 'from a backlog'}")
        loads = [at(share * rate, given.seconds, seen, own.data_dir) for share in given.shares]
        seen.reader.close()
        for process in processes:
            process.terminate()
            process.wait(60)
    heads, rows = table(given, loads)
    shown = Table(title=f"{given.log}, {given.roles}: milliseconds, cores")
    for head in heads:
        shown.add_column(head, justify="right")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    report = {"machine": machine, "log": given.log, "roles": given.roles, "most": round(rate), "loads": loads}
    given.report.parent.mkdir(parents=True, exist_ok=True)
    given.report.write_text(json.dumps(report, indent=1) + "\n")
    put(given.page, "latency", lines(given, report))


def table(given: argparse.Namespace, loads: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Heads, and a row per load."""
    titles = [f"{what} p{100 * quantile:g}" for what in ("prediction", "label") for quantile in QUANTILES]
    heads = ["load", "products a second", *titles, *(f"cores: {name}" for name in loads[0]["cores"])]
    rows = []
    for share, load in zip(given.shares, loads, strict=True):
        cells = [f"{load[what][f'p{100 * q:g}']:,.0f}" for what in ("prediction", "label") for q in QUANTILES]
        rows.append([f"{share:.0%}", f"{load['rate']:,}", *cells, *(f"{used:.2f}" for used in load["cores"].values())])
    return heads, rows


def lines(given: argparse.Namespace, report: dict[str, Any]) -> str:
    """The part of the page: a row per load."""
    heads, rows = table(given, report["loads"])
    roles = "`learn` and `score` apart" if given.roles == "split" else "`run`"
    return "\n".join(
        (
            f"{report['machine']}; {given.log}, {roles}, at most {report['most']:,} products a second; milliseconds.",
            "",
            "| " + " | ".join(heads) + " |",
            "| ---: |" + " ---: |" * (len(heads) - 1),
            *("| " + " | ".join(row) + " |" for row in rows),
        )
    )


if __name__ == "__main__":
    main()
