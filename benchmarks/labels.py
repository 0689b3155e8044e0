"""Labels to reach a quality: Askance and its peers over the same feeds, and the page of what was found.

    python benchmarks/labels.py DATA [--page docs/benchmarks-labels.md] [--reports FOLDER] [--seeds N] [--minutes M]
                                     [--extras] [--quick] [--page-only]

Every feed is a file NAME.jsonl.gz with NAME.outputs.json beside it. Each run is a process of its own with one thread;
its report is kept, and made again only when the code it measured has changed. The most telling runs come first, so that
a page after `--minutes` holds something of everything.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from labels_page import write
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

ROOT: Final = Path(__file__).parents[1]
SHARE: Final = 0.1
LIMIT: Final = 20_000
POLICIES: Final = ("iwal-rare", "iwal", "random")
PEERS: Final = (
    ("sklearn", "passive"),
    ("sklearn", "full"),
    ("skactiveml", "variable"),
    ("sklearn", "least_positive"),
    ("river", "passive"),
    ("vw", "passive"),
    ("skactiveml", "passive"),
)
DISTRIBUTIONS: Final = ("numpy", "torch", "scikit-learn", "scikit-activeml", "river", "vowpalwabbit")
ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Run:
    """One system over one feed. Policy `all` of askance and `full` of sklearn learn from every answer."""

    feed: str
    system: str
    policy: str
    seed: int = 0
    order: str = "shuffled"
    delay: int = 0
    noise: float = 0.0

    @property
    def file(self) -> str:
        hard = (f".d{self.delay}" if self.delay else "") + (f".n{self.noise:g}" if self.noise else "")
        return f"{self.feed}.{self.system}.{self.policy}.{self.order}{hard}.s{self.seed}.json"


def plan(feeds: Sequence[str], seeds: int, *, extras: bool) -> list[Run]:
    """All runs, the most telling first."""
    runs: list[Run] = []
    for seed in range(seeds):
        runs += [Run(feed, "askance", policy, seed) for policy in POLICIES for feed in feeds]
        runs += [Run(feed, *peer, seed) for peer in PEERS for feed in feeds]
        if seed == min(1, seeds - 1):  # once, and not before the spread over seeds is known
            runs += [Run(feed, "askance", "all") for feed in feeds]
    if extras:
        for feed in feeds:
            runs += [
                Run(feed, "askance", "iwal-rare", order="source"),
                *(Run(feed, "askance", "iwal-rare", delay=delay) for delay in (500, 5_000)),
                *(Run(feed, "askance", "iwal-rare", noise=noise) for noise in (0.05, 0.2)),
                *(Run(feed, "sklearn", "passive", noise=noise) for noise in (0.05, 0.2)),
                Run(feed, "sklearn", "passive", order="source"),
            ]
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks-labels.md")
    parser.add_argument("--reports", type=Path, default=ROOT / "benchmarks" / "results" / "labels")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after that long")
    parser.add_argument("--extras", action="store_true", help="source order, late and wrong answers too")
    parser.add_argument("--quick", action="store_true", help="one feed, one seed")
    parser.add_argument("--page-only", action="store_true", help="run nothing")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a run, as JSON: what the processes started below do
    arguments = parser.parse_args()
    if arguments.one:
        found = measure(arguments.data, Run(**json.loads(arguments.one)))
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    feeds = sorted(path.name.removesuffix(".outputs.json") for path in arguments.data.glob("*.outputs.json"))
    if not feeds:
        raise SystemExit(f"{arguments.data}: no NAME.outputs.json there")
    runs = (
        plan(feeds[:1], 1, extras=False) if arguments.quick else plan(feeds, arguments.seeds, extras=arguments.extras)
    )
    arguments.reports.mkdir(parents=True, exist_ok=True)
    if not arguments.page_only:
        go(runs, arguments.data, arguments.reports, arguments.minutes)
    kept = [arguments.reports / run.file for run in runs]
    reports = [json.loads(path.read_text()) for path in kept if path.exists()]
    write(arguments.page, reports, planned=len(runs))


def go(runs: Sequence[Run], data: Path, reports: Path, minutes: float) -> None:
    """Make the reports that are missing or of other code, one after the other."""
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(runs))
        for run in runs:
            progress.update(task, description=run.file.removesuffix(".json"))
            path = reports / run.file
            fresh = path.exists() and json.loads(path.read_text())["code"] == code(run)
            if not fresh and time.monotonic() - started < minutes * 60:
                path.write_text(process(data, run))
            progress.advance(task)


def process(data: Path, run: Run) -> str:
    command = [sys.executable, __file__, str(data), "--one", json.dumps(asdict(run))]
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout


def measure(folder: Path, run: Run) -> dict[str, Any]:
    """Do a run in this process."""
    os.nice(5)
    files = folder / f"{run.feed}.jsonl.gz", folder / f"{run.feed}.outputs.json"
    found = measure_askance(files, run) if run.system == "askance" else measure_peer(files, run)
    of = {"policy": run.policy, "order": run.order, "delay": run.delay, "noise": run.noise}
    return {**found, **of, "code": code(run), "machine": machine(), "load": round(os.getloadavg()[0], 1)}


def measure_askance(files: tuple[Path, Path], run: Run) -> dict[str, Any]:
    import torch  # noqa: PLC0415 - other systems go without

    from service.simulate import Trial, simulate  # noqa: PLC0415

    torch.set_num_threads(1)
    every = run.policy == "all"
    policy, share = ("random", 1.0) if every else (run.policy, SHARE)
    trial = Trial(policy=policy, share=share, limit=LIMIT, seed=run.seed, order=run.order, delay=run.delay)
    return simulate(*files, replace(trial, noise=run.noise))


def measure_peer(files: tuple[Path, Path], run: Run) -> dict[str, Any]:
    import peers  # noqa: PLC0415 - slow to load, and not needed by askance

    from service.simulate import Trial, load, mistakes  # noqa: PLC0415

    trial = Trial(limit=LIMIT, seed=run.seed, order=run.order, noise=run.noise)
    data = load(*files, trial)
    data = replace(data, answers=data.answers ^ mistakes(data.answers.shape, trial))
    return peers.measure(data, run.system, run.policy, run.seed, SHARE)


def code(run: Run) -> str:
    """A digest of the code whose figures a report holds."""
    ours = run.system == "askance"
    own = sorted((ROOT / "models").glob("*.py") if ours else Path(__file__).parent.glob("peer*.py"))
    digest = hashlib.blake2b(digest_size=4)
    for path in (*own, ROOT / "service" / "simulate.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def machine() -> dict[str, Any]:
    return {
        "cpu": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in DISTRIBUTIONS},
    }


if __name__ == "__main__":
    main()
