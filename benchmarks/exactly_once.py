"""A whole feed through the real service, with and without kill -9 at random moments: nothing lost, nothing twice.

    python benchmarks/exactly_once.py FEED.jsonl.gz FEED.outputs.json --log sqlite --kills 20 --report out.json

Starts `askance run`, `replay` and `annotate` as processes, kills the service without warning, starts it again, and in
the end compares the log (read committed) with the feed, the ledger with itself, and the model with its rebuild.
Exit status 0 only if all holds.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.messages import Prediction
from service.assembly import clients
from service.feeds import read_products
from service.ledger import Ledger
from service.ledger_file import LedgerUnusable
from service.quality import progressive
from service.settings import read_settings
from verdict import judge, messages

SETTLE = 300.0  # longest wait, after the feed has ended, for the last answer


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("feed", type=Path)
    parser.add_argument("outputs", type=Path)
    parser.add_argument("--log", choices=("sqlite", "kafka"), default="sqlite")
    parser.add_argument("--kafka", default="127.0.0.1:9092", help="broker, for --log kafka")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--rate", type=float, default=300.0, help="products per second")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", type=int, default=4000)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, passed on to the service")
    parser.add_argument("--report", type=Path)
    return parser.parse_args()


class Run:
    """The processes of one run and what they leave behind."""

    def __init__(self, given, folder):
        self.given, self.folder = given, folder
        self.common = ["--data-dir", str(folder / "data")]
        sets = [f"log.prefix=once-{os.getpid()}.", f"asking.share={given.share}", "http.port=0", *given.set]
        for change in sets:
            self.common += ["--set", change]
        changes = dict(change.split("=", 1) for change in sets) | {"data_dir": str(folder / "data")}
        if given.log == "kafka":
            self.common += ["--kafka", given.kafka]
            changes["kafka.bootstrap"] = given.kafka
        self.settings = read_settings(None, changes)
        self.service = None
        self.started = []

    def start(self, *words):
        log = (self.folder / f"{words[0]}.log").open("ab")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ASKANCE_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "service", *map(str, words), *self.common],
            stdout=log, stderr=log, env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.started.append(process)
        return process

    def leave_none(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def start_service(self):
        self.service = self.start("run", "--outputs", self.given.outputs)

    def kill_service(self):
        self.service.send_signal(signal.SIGKILL)
        self.service.wait()

    def stop_service(self):
        self.service.send_signal(signal.SIGTERM)
        return self.service.wait(timeout=120)

    def balance(self):
        try:
            ledger = Ledger(self.settings.data_dir, read_only=True)
        except LedgerUnusable:
            return None
        try:
            return ledger.balance(), ledger.traffic.totals().arrivals
        finally:
            ledger.close()


def play(run, given, products, console):
    """Let it run to the end; returns when each kill happened, in seconds since the start."""
    rng = random.Random(given.seed)
    expected = products / given.rate
    moments = sorted(rng.uniform(0.05, 1.0) * (expected + 5.0) for _ in range(given.kills))
    started, kills = time.monotonic(), []
    run.start_service()
    feeder = run.start("replay", given.feed, "--rate", given.rate, *(["--limit", given.limit] if given.limit else []))
    crowd = run.start(
        "annotate", "--truth", given.feed, "--annotators", 5, "--accuracy", 0.97, "--delay", 2, "--unsure", 0.01,
        "--skip", 0.02, "--seed", given.seed,
    )  # fmt: skip
    quiet = None
    try:
        while quiet is None or time.monotonic() - quiet < 3.0 or moments:
            time.sleep(0.05)
            now = time.monotonic() - started
            if run.service.poll() is not None:
                raise SystemExit(f"the service ended by itself: {(run.folder / 'run.log').read_text()[-2000:]}")
            if moments and now >= moments[0]:
                moments.pop(0)
                run.kill_service()
                kills.append(round(now, 2))
                run.start_service()
            if feeder.poll() not in (None, 0):
                raise SystemExit(f"replay failed: {(run.folder / 'replay.log').read_text()[-2000:]}")
            state = run.balance() if feeder.poll() == 0 and int(now * 20) % 10 == 0 else None
            if state is not None:
                done = state[1] == products and state[0]["open"] == 0 and state[0]["issued"] > 0
                quiet = (quiet or time.monotonic()) if done else None
            if now > expected + SETTLE:
                raise SystemExit(f"not at its end after {now:.0f} s: {run.balance()}, expected {products} products")
        console.print(f"served, {len(kills)} kills, {time.monotonic() - started:.0f} s")
    finally:
        for process in (feeder, crowd):
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=30)
    return kills


def qualities(run, given):
    """Progressive quality of the scores as they were served."""
    found = messages(clients(run.settings).read, "predictions", Prediction)
    predictions = [message for _, message in sorted(found, key=lambda one: one[0].at)]
    truth = {product.id: labels for product, labels in read_products(given.feed)}
    with closing(Ledger(run.settings.data_dir, read_only=True)) as ledger:
        return [row._asdict() for row in progressive(predictions, truth, ledger.batches.outputs(), given.window)]


def main():
    given, console = options(), Console()
    ids = [product.id for product, _ in read_products(given.feed)][: given.limit]
    with tempfile.TemporaryDirectory(prefix="askance-once-") as temporary:
        run = Run(given, Path(temporary))
        kills = play(run, given, len(ids), console)
        status = run.stop_service()
        verdict = judge(run.settings, ids)
        quality = qualities(run, given)
    holds = verdict.holds | {"stopped cleanly": status == 0}
    found = {"products": len(ids), **verdict.figures, "problems": verdict.problems, "quality": quality}
    table = Table(
        "arrivals",
        "asked",
        "model",
        "macro AP",
        "micro F1",
        title=f"{given.feed.name}, {given.log}, {given.kills} kills",
    )
    for row in quality:
        table.add_row(
            f"{row['arrivals']:,}",
            f"{row['asked']:,}",
            str(row["model"]),
            f"{row['macro_ap']:.3f}",
            f"{row['micro_f1']:.3f}",
        )
    console.print(table)
    console.print({name: value for name, value in found.items() if name != "quality"})
    console.print({name: "yes" if held else "NO" for name, held in holds.items()})
    if given.report:
        machine = f"{platform.machine()}, {os.cpu_count()} cores"
        report = {"log": given.log, "kills": kills, "seed": given.seed, "machine": machine, "holds": holds} | found
        given.report.write_text(json.dumps(report, indent=1) + "\n")
    sys.exit(0 if all(holds.values()) else 1)


if __name__ == "__main__":
    main()
