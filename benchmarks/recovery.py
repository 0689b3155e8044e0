"""Kill -9, and how long until it serves again, and until it has caught up, with many answers in the ledger.

    python benchmarks/recovery.py [--answers 100000] [--log sqlite|kafka] [--kills 5] [--rate 200] [--report FILE]

A generated feed is served by `askance run` with everything asked about and answered, until the ledger holds the
answers. Then products and answers come at a steady rate, the service is killed without warning and started again at
once. *Serving*: the first prediction made since is readable. *Caught up*: every product that came until then is
predicted. Times are from the kill, so starting Python and loading torch are in them.
"""

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from exactly_once import Run
from proof_page import put
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from consumers.port import Consumer
from models.records import Position
from service.assembly import clients
from service.catalogue import write_feed

BUILDING: float = 7_200.0  # seconds at most
PATIENCE: float = 120.0  # seconds for one recovery


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--log", choices=("sqlite", "kafka"), default="sqlite")
    parser.add_argument("--kafka", default="127.0.0.1:9092", help="broker, for --log kafka")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rate", type=float, default=200.0, help="products per second while it is killed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--folder", type=Path, help="where it all is kept; a ledger that holds the answers is used again"
    )
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE, passed on to the service")
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--report", type=Path, default=Path("benchmarks/results/recovery.json"))
    return parser.parse_args()


class Watch:
    """Counts products and predictions as they become readable."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.counts = {"products": 0, "predictions": 0}
        self.newest = 0.0  # when the newest prediction was written

    def look(self) -> None:
        for record in self.consumer.poll(5_000, 0.01):
            self.counts[record.topic] += 1
            if record.topic == "predictions":
                self.newest = max(self.newest, record.at)


def build(run: Run, given: argparse.Namespace, feed: Path, console: Console) -> None:
    """Serve until the ledger holds the answers; nothing but serve if it does already."""
    answered = (run.balance() or ({"answered": 0}, 0))[0]["answered"]
    run.start_service()
    if answered >= given.answers:
        return
    feeder = run.start("replay", feed)
    crowd = run.start("annotate", "--truth", feed, "--accuracy", 0.97, "--until-idle", 20)
    begun = time.monotonic()
    with Progress(console=console) as progress:
        task = progress.add_task("answers", total=given.answers)
        while (answered := (run.balance() or ({"answered": 0}, 0))[0]["answered"]) < given.answers:
            progress.update(task, completed=answered)
            time.sleep(1.0)
            if run.service.poll() is not None or time.monotonic() - begun > BUILDING:
                raise SystemExit(f"it did not get there: {(run.folder / 'run.log').read_text()[-2_000:]}")
    for process in (feeder, crowd):
        process.terminate()
        process.wait()
    console.print(f"{answered:,} answers learnt from in {time.monotonic() - begun:.0f} s")


def recover(run: Run, watch: Watch) -> tuple[float, float]:
    """Kill it and start it again; return the seconds until it serves and until it has caught up."""
    run.kill_service()
    killed, began = time.time(), time.monotonic()
    run.start_service()
    while watch.newest <= killed:
        watch.look()
        if time.monotonic() - began > PATIENCE or run.service.poll() is not None:
            raise SystemExit(f"it does not serve again: {(run.folder / 'run.log').read_text()[-2_000:]}")
    serving, waiting = time.monotonic() - began, watch.counts["products"]
    while watch.counts["predictions"] < waiting:
        watch.look()
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"it does not catch up: {watch.counts}")
    return serving, time.monotonic() - began


def main() -> None:
    given, console = options(), Console()
    given.share, given.set = 1.0, ["asking.policy=random", *given.set]  # every product is asked about
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="askance-recovery-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        given.outputs = write_feed(folder / "shop.jsonl.gz", round(1.01 * given.answers), seed=given.seed)
        later = folder / "later.jsonl.gz"
        write_feed(later, round(given.rate * PATIENCE * given.kills), seed=given.seed + 1)
        run = Run(given, folder)
        build(run, given, folder / "shop.jsonl.gz", console)
        crowd = run.start("annotate", "--truth", later, "--delay", 1)
        found = []
        consumer = clients(run.settings).read(("products", "predictions"), "recovery", Position(group="recovery"))
        watch = Watch(consumer)
        while not watch.counts["products"] or sum(watch.consumer.lag().values()):
            watch.look()
        feeder = run.start("replay", later, "--rate", given.rate)
        for _ in range(given.kills):
            until = time.monotonic() + rng.uniform(10.0, 20.0)
            while time.monotonic() < until:
                watch.look()
            found.append(recover(run, watch))
            console.print(f"serves again after {found[-1][0]:.1f} s, caught up after {found[-1][1]:.1f} s")
        for process in (feeder, crowd):
            process.terminate()
            process.wait()
        consumer.close()
        run.stop_service()
    table = Table(
        "from kill -9", "median", "longest", title=f"{given.log}, {given.answers:,} answers, {given.kills} kills"
    )
    for name, seconds in zip(("serving again", "caught up"), zip(*found, strict=True), strict=True):
        table.add_row(name, f"{statistics.median(seconds):.1f} s", f"{max(seconds):.1f} s")
    console.print(table)
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "log": given.log, "answers": given.answers, "rate": given.rate,
        "serving": [round(one, 2) for one, _ in found], "caught_up": [round(two, 2) for _, two in found],
    }  # fmt: skip
    given.report.parent.mkdir(parents=True, exist_ok=True)
    given.report.write_text(json.dumps(report, indent=1) + "\n")
    put(given.page, "recovery", lines(report))


def lines(report: dict[str, Any]) -> str:
    """The part of the page."""
    found = [
        (
            f"{report['machine']}; {report['log']}, {report['answers']:,} answers in the ledger, "
            f"{report['rate']:g} products a second, {len(report['serving'])} kills."
        ),
        "",
        "| from kill -9 | median, s | longest, s |",
        "| --- | ---: | ---: |",
    ]
    for name, seconds in (("serving again", report["serving"]), ("caught up", report["caught_up"])):
        found.append(f"| {name} | {statistics.median(seconds):.1f} | {max(seconds):.1f} |")
    return "\n".join(found)


if __name__ == "__main__":
    main()
