"""Kill -9, and how long until it serves again, and until it has caught up, with many answers in the ledger.

    python benchmarks/recovery.py [--answers 100000] [--log sqlite|kafka] [--roles run|split] [--kills 5] [--rate 200]

A generated feed is served by `askance run` with everything asked about and answered, until the ledger holds the
answers. Then products and answers come at a steady rate, the service is killed without warning and started again at
once. *Serving*: the first prediction made since is readable. *Caught up*: every product that came until then is
predicted. Times are from the kill, so starting Python and loading torch are in them. *Processor*: what the service
itself used of it until it served, which other work on the machine changes little. With the roles split, `askance learn`
goes on and the one `askance score` is killed.
"""

import argparse
import json
import os
import platform
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from exactly_once import Run
from proof_page import put
from rich.console import Console
from rich.progress import Progress
from taken import with_started

from consumers.port import Consumer
from models.records import Position
from service.assembly import clients
from service.catalogue import write_feed

BUILDING: float = 7_200.0  # seconds at most
PATIENCE: float = 120.0  # seconds for one recovery
KILLED = {"run": "`askance run`", "split": "`askance score`, `learn` beside it,"}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--log", choices=("sqlite", "kafka"), default="sqlite")
    parser.add_argument("--roles", choices=("run", "split"), default="run")
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


class Split(Run):
    """The roles apart; the scorer is the one that is killed."""

    learner = None

    def start_service(self) -> None:
        if self.learner is None:
            self.learner = self.start("learn", "--outputs", self.given.outputs)
        self.service = self.start("score")

    def stop_service(self) -> int:
        ended = super().stop_service()
        self.learner.terminate()
        return ended or self.learner.wait(timeout=120)


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


def ends(run: Run) -> str:
    """What the roles said last."""
    logs = [run.folder / f"{role}.log" for role in ("run", "learn", "score")]
    return "".join(f"\n{log.name}: {log.read_text()[-2_000:]}" for log in logs if log.exists())


def learnt_again(run: Run, starts: int) -> list[float]:
    """Seconds that the newest starts of `askance run` took to read the checkpoint and to learn what came after it."""
    log = run.folder / "run.log"
    lines = [line for line in log.read_text().splitlines() if '"event":"restored"' in line] if log.exists() else []
    return [json.loads(line)["seconds"] for line in lines[-starts:]]


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
                raise SystemExit(f"it did not get there: {ends(run)}")
    for process in (feeder, crowd):
        process.terminate()
        process.wait()
    console.print(f"{answered:,} answers learnt from in {time.monotonic() - begun:.0f} s")


def recover(run: Run, watch: Watch) -> tuple[float, float, float]:
    """Kill it and start it again; return the seconds until it serves, the processor's, and until it has caught up."""
    run.kill_service()
    killed, began = time.time(), time.monotonic()
    run.start_service()
    while watch.newest <= killed:
        watch.look()
        if time.monotonic() - began > PATIENCE or run.service.poll() is not None:
            raise SystemExit(f"it does not serve again: {ends(run)}")
    serving, used, waiting = time.monotonic() - began, with_started(run.service.pid), watch.counts["products"]
    while watch.counts["predictions"] < waiting:
        watch.look()
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"it does not catch up: {watch.counts}")
    return serving, used, time.monotonic() - began


def kills(run: Run, given: argparse.Namespace, later: Path, console: Console) -> list[tuple[float, float, float]]:
    """Let products and answers come, kill it again and again; return what `recover` did."""
    rng, found = random.Random(given.seed), []
    crowd = run.start("annotate", "--truth", later, "--delay", 1)
    consumer = clients(run.settings).read(("products", "predictions"), "recovery", Position(group="recovery"))
    watch = Watch(consumer)
    while not watch.counts["products"] or sum(watch.consumer.lag().values()):
        watch.look()
    feeder, begun = run.start("replay", later, "--rate", given.rate), time.time()
    while watch.newest <= begun:
        watch.look()
    for _ in range(given.kills):
        until = time.monotonic() + rng.uniform(10.0, 20.0)
        while time.monotonic() < until:
            watch.look()
        found.append(recover(run, watch))
        console.print(
            "serves again after {:.1f} s ({:.1f} of the processor), caught up after {:.1f} s".format(*found[-1])
        )
    for process in (feeder, crowd):
        process.terminate()
        process.wait()
    consumer.close()
    return found


def main() -> None:
    given, console = options(), Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    given.share = 1.0  # every product is asked about
    given.set = ["asking.policy=random", "asking.seed=recovery", *given.set]
    if given.folder:
        given.set.append(f"log.prefix={given.folder.name}.")  # as it was the last time
    with tempfile.TemporaryDirectory(prefix="askance-recovery-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        given.outputs = write_feed(folder / "shop.jsonl.gz", round(1.01 * given.answers), seed=given.seed)
        later = folder / "later.jsonl.gz"
        write_feed(later, round(given.rate * PATIENCE * given.kills), seed=given.seed + 1)
        run = (Split if given.roles == "split" else Run)(given, folder)
        try:
            build(run, given, folder / "shop.jsonl.gz", console)
            found = kills(run, given, later, console)
            run.stop_service()
        finally:
            run.leave_none()
        again = learnt_again(run, given.kills) if given.roles == "run" else []
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": round(os.getloadavg()[1], 1),
        "log": given.log, "roles": given.roles, "answers": given.answers, "rate": given.rate,
        "learnt_again": again,
        **{
            name: [round(one, 2) for one in seconds]
            for name, seconds in zip(("serving", "processor", "caught_up"), zip(*found, strict=True), strict=True)
        },
    }  # fmt: skip
    console.print("\n".join(lines(report)))
    given.report.parent.mkdir(parents=True, exist_ok=True)
    given.report.write_text(json.dumps(report, indent=1) + "\n")
    put(given.page, "recovery" if given.roles == "run" else "recovery of a scorer", "\n".join(lines(report)))


def lines(report: dict[str, Any]) -> list[str]:
    """The part of the page."""
    found = [
        (
            f"{report['machine']}, load average {report['load']}; {report['log']}, "
            f"{KILLED[report['roles']]} killed {len(report['serving'])} times, "
            f"{report['answers']:,} answers in the ledger, {report['rate']:g} products a second."
        ),
        "",
        "| from kill -9 | median, s | longest, s |",
        "| --- | ---: | ---: |",
    ]
    names = {
        "serving": "serving again",
        "processor": "the processor's seconds until then",
        "learnt_again": "learning again, within it",
        "caught_up": "caught up",
    }
    return found + [
        f"| {said} | {statistics.median(report[name]):.1f} | {max(report[name]):.1f} |"
        for name, said in names.items()
        if report[name]
    ]


if __name__ == "__main__":
    main()
