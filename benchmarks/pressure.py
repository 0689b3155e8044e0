"""Memory of a scorer and of the learner when more comes than they can take: a part of docs/benchmarks.md.

    PYTHONPATH=tests:benchmarks python benchmarks/pressure.py [--products 500000] [--others 20000]
                                                             [--client NAME] [--most MB]

Real processes with the default settings, on a broker of their own: a backlog waits for the scorer; the broker stands
still (SIGSTOP) for 20 s, and for longer than a session, while more waits; the learner stands still while all is scored,
and then catches up. Resident memory is looked at several times a second. In the end every product must be predicted
once and every query be in the ledger. Exit status 0 only if that holds and nobody took more than `--most` MB
beyond what it had when it was warm.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from kept import RESULTS, ROOT
from offers import offers
from proof_page import put
from rich.console import Console
from taken import resident
from throughput_table import line

from faults.stage import Stage
from models.coding import encode, read
from models.messages import Prediction, Product
from models.records import Outgoing
from service.ledger import Ledger
from service.reading import read_topic
from service.settings import Settings
from shared.brokers import Broker

NAMES: Final = ("scorer-0", "learner")
WHEN: Final = {"before": "before", "at most": "most"}
POOL: Final = 5_000  # products that come again under other ids
LIMIT: Final = 7_200.0  # seconds that a part may take
LARGE: Final = {  # what the small settings of fault scripts leave out
    **{f"model.{name}": value for name, value in
       {"bits": 20, "width": 64, "sketch": 32, "hidden": 128, "members": 8, "memory": 20_000, "batch": 128,
        "rehearsals": 12}.items()},
    "asking.share": 0.1, "log.batch": 1_000, "kafka.timeout_seconds": 30.0, "kafka.session_seconds": 45.0,
    "learning.checkpoint_seconds": 60.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What happened in one part: megabytes by process, before and at most."""

    says: str
    products: int
    seconds: float
    before: dict[str, int]
    most: dict[str, int]
    failed: dict[str, int]  # how often each found its log out of reach, or a publish in doubt


class Trial:
    """A stage whose feed is ours, and the memory of its processes."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self.stage, self.console, self.sent = stage, console, 0
        self.pool = offers(POOL, size=260, seed=1)
        self.most: dict[str, int] = {}
        self.parts: list[Part] = []

    def warm(self) -> None:
        """Let a model be learnt, and everybody have done everything once."""
        for name in (*NAMES, "crowd"):
            self.stage.start(name)
        self.stage.flow(300)
        self.stage.flowing = False
        self.until("what flowed to be scored", self.done)
        self.stage.stop("crowd")

    def done(self) -> bool:
        return bool(self.stage.seen["predictions"] >= self.stage.sent + self.sent)

    def pile(self, count: int) -> None:
        """Publish so many products."""
        for first in range(self.sent, self.sent + count, 2_000):
            batch = [renewed(self.pool[n % POOL], n) for n in range(first, min(first + 2_000, self.sent + count))]
            self.stage.publish([Outgoing("products", one.id.encode(), encode(one)) for one in batch])
        self.sent += count

    def look(self) -> dict[str, int]:
        """Megabytes of each process now; the most is kept."""
        now = {name: resident(self.stage.alive[name].pid) // 1_000_000 for name in NAMES if name in self.stage.alive}
        self.most = {name: max(now.get(name, 0), self.most.get(name, 0)) for name in NAMES}
        return now

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        self.stage.until(what, lambda: bool(self.look()) and holds(), limit=LIMIT)

    def rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self.until("time to pass", lambda: time.monotonic() > until)

    @contextmanager
    def standing(self, name: str) -> Iterator[None]:
        """One of them, or the broker, stands still meanwhile."""
        self.stage.broken = name == "broker"
        self.stage.signal(name, signal.SIGSTOP)
        yield
        self.stage.signal(name, signal.SIGCONT)
        self.stage.broken = False

    @contextmanager
    def part(self, says: str) -> Iterator[None]:
        before, failed, sent, began = self.look(), self.failed(), self.sent, time.monotonic()
        self.most = dict(before)
        yield
        after = self.failed()
        self.parts.append(
            Part(
                says=says, products=self.sent - sent, seconds=round(time.monotonic() - began, 1), before=before,
                most=dict(self.most), failed={name: after[name] - failed[name] for name in NAMES},
            )
        )  # fmt: skip
        self.console.print(self.parts[-1])

    def failed(self) -> dict[str, int]:
        return {name: sum(one.get("event") == "log_failed" for one in self.stage.lines(name)) for name in NAMES}


def renewed(product: Product, number: int) -> Product:
    return msgspec.structs.replace(product, id=f"pressed-{number}")


def run(trial: Trial, backlog: int, fewer: int) -> None:
    """All parts, one after the other."""
    with trial.part(f"{backlog:,} products waiting"):
        with trial.standing("scorer-0"):
            trial.pile(backlog)
        trial.until("the backlog to be scored", trial.done)
    for seconds in (20, 90):
        with trial.part(f"the broker stands still for {seconds} s while {fewer:,} wait"):
            with trial.standing("scorer-0"):
                trial.pile(fewer)
            trial.rest(2.0)
            with trial.standing("broker"):
                trial.rest(seconds)
            trial.until("the rest to be scored", trial.done)
    with trial.part(f"the learner stands still while {fewer:,} are scored, then catches up"):
        with trial.standing("learner"):
            trial.pile(fewer)
            trial.until("all to be scored", trial.done)
        trial.until("the learner to catch up", lambda: caught_up(trial.stage))


def caught_up(stage: Stage) -> bool:
    learnt = stage.learnt()
    return learnt is not None and learnt[0]["issued"] >= stage.seen["asked"]


def checked(stage: Stage, settings: Settings, sent: int) -> dict[str, bool]:
    """Whether all is there, once."""
    arrivals = [read(Prediction, record).arrival for record in read_topic(stage.reach.read, "predictions")]
    queries = sum(1 for _ in read_topic(stage.reach.read, "queries"))
    with closing(Ledger(settings.data_dir, read_only=True)) as ledger:
        arrived, issued = ledger.traffic.totals().arrivals, ledger.balance()["issued"]
    return {
        "every product predicted once": len(arrivals) == len(set(arrivals)) == sent,
        "every query in the ledger once": issued == queries,
        "every tally counted once": arrived == sent,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=500_000, help="that wait at once")
    parser.add_argument("--others", type=int, default=20_000, help="products in each other part")
    parser.add_argument("--client", choices=("kafka-python", "confluent"), default="kafka-python")
    parser.add_argument("--most", type=int, default=200, help="MB that a process may take beyond what it had")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    given, console = parser.parse_args(), Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    with tempfile.TemporaryDirectory(prefix="askance-pressure-") as temporary:
        data = Path(temporary) / "kafka"
        data.mkdir()
        broker = Broker(data).start()
        sets = {**LARGE, "kafka.client": given.client}
        stage = Stage(Path(temporary) / "stage", broker, prefix="pressure.", scorers=1, sets=sets, may_end=("learner",))
        trial = Trial(stage, console)
        try:
            trial.warm()
            run(trial, given.products, given.others)
            for name in NAMES:
                stage.stop(name)
            holds = checked(stage, stage.settings, stage.sent + trial.sent)
        finally:
            stage.close()
            broker.stop()
    grown = {name: max(part.most[name] - trial.parts[0].before[name] for part in trial.parts) for name in NAMES}
    holds[f"at most {given.most} MB more"] = max(grown.values()) <= given.most
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
    report = {
        "machine": machine, "client": given.client, "holds": holds, "parts": list(map(msgspec.to_builtins, trial.parts))
    }  # fmt: skip
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"pressure.{given.client}.json").write_text(json.dumps(report, indent=1) + "\n")
    put(given.page, f"pressure with {given.client}", "\n".join(rows(report)))
    console.print(holds, grown)
    sys.exit(0 if all(holds.values()) else 1)


def rows(report: dict[str, Any]) -> list[str]:
    wrong = [what for what, held in report["holds"].items() if not held]
    verdict = f"**not**: {', '.join(wrong)}" if wrong else ", ".join(report["holds"])
    heads = ["what happens", "s", *(f"{name}, MB {when}" for name in ("scorer", "learner") for when in WHEN)]
    lines = [f"{report['machine']}; {report['client']}; {verdict}.", ""]
    lines.append("| " + " | ".join([*heads, "given up: scorer", "learner"]) + " |")
    lines.append("| --- |" + " ---: |" * 7)
    for part in report["parts"]:
        memory = [str(part[when][name]) for name in NAMES for when in WHEN.values()]
        failed = [str(part["failed"][name]) for name in NAMES]
        lines.append(line(part["says"], [f"{part['seconds']:.0f}", *memory, *failed]))
    return lines


if __name__ == "__main__":
    main()
