"""Each part of the learner and of the asking switched off, and what that costs: the page docs/ablation.md.

    python benchmarks/ablation.py DATA [--feeds NAME ...] [--seeds N] [--minutes M] [--jobs N] [--limit N] [--page FILE]
                                       [--page-only]

A feed is a file NAME.jsonl.gz with NAME.outputs.json beside it. Every run is a process of its own with one thread; its
report is kept, and made again only when the code has changed, so an interrupted command goes on. About 25 seconds of a
core a run, 2 to 6 minutes and 3 GB with independent networks; 25 runs per feed and seed. So five feeds take 80 minutes
a seed, 40 with `--jobs 2`. The ceiling is that of labels.py, from its kept reports, made here where one is missing.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import labels
import torch
from ablation_page import write
from ablation_switches import Switch, switches
from kept import RESULTS, ROOT, Task, digest, feeds_of, made_of, make, ours
from labels_count import CEILING, DEFAULT, mean

from models.learner import LearnerSettings
from service.simulate import Trial, load
from service.simulate import run as simulate

KEPT_LABELS: Final = RESULTS / "labels"


@dataclass(frozen=True, slots=True)
class Run:
    """One switch on one feed."""

    feed: str
    switch: str
    seed: int
    limit: int

    @property
    def file(self) -> str:
        switch = re.sub(r"[^a-z0-9.]+", "-", self.switch)
        return f"{self.feed}.{switch}.l{self.limit}.s{self.seed}.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--feeds", nargs="+", help="these only")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after that long")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; more than one makes seconds longer")
    parser.add_argument("--limit", type=int, default=labels.LIMIT, help="most products of a stream")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "ablation.md")
    parser.add_argument("--reports", type=Path, default=RESULTS / "ablation")
    parser.add_argument("--page-only", action="store_true", help="run nothing")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a run, as JSON: what the processes started below do
    arguments = parser.parse_args()
    if arguments.one:
        found = measure(arguments.data, Run(**json.loads(arguments.one)))
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    feeds = feeds_of(arguments.data, arguments.feeds)
    tested = switches(LearnerSettings(), DEFAULT[1])
    runs = plan(tested, feeds, arguments.seeds, arguments.limit)
    bars = [labels.Run(feed, *CEILING) for feed in feeds]
    if not arguments.page_only:
        code = digest(ours())
        tasks = [labels.task(run, arguments.data, KEPT_LABELS) for run in bars]
        missing = [task for task in tasks if not task.path.exists()]
        for run in runs:
            command = (__file__, str(arguments.data), "--one", json.dumps(asdict(run)))
            missing.append(Task(arguments.reports / run.file, code, command))
        make(missing, minutes=arguments.minutes, jobs=arguments.jobs)
    found = [read(path) for path in (arguments.reports / run.file for run in runs) if path.exists()]
    write(arguments.page, tested, found, {feed: ceiling(feed) for feed in feeds}, planned=len(runs))


def plan(tested: Sequence[Switch], feeds: Sequence[str], seeds: int, limit: int) -> list[Run]:
    """All runs; what takes long comes last of its seed."""
    order = sorted(tested, key=lambda switch: switch.slow)
    return [Run(feed, switch.name, seed, limit) for seed in range(seeds) for switch in order for feed in feeds]


def read(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def ceiling(feed: str) -> float | None:
    """Macro-AP of learning from every answer, over the seeds that labels.py has; None if it has none."""
    every = labels.Run(feed, *CEILING).file.replace(".s0.", ".s*.")
    found = [read(path)["points"][-1]["macro_ap"] for path in KEPT_LABELS.glob(every)]
    return mean(found) if found else None


def measure(folder: Path, run: Run) -> dict[str, Any]:
    """Do a run in this process."""
    os.nice(5)
    torch.set_num_threads(1)
    switch = next(one for one in switches(LearnerSettings(), DEFAULT[1]) if one.name == run.switch)
    settings = replace(LearnerSettings(), **switch.settings)
    trial = Trial(policy=switch.policy, share=labels.SHARE, limit=run.limit, seed=run.seed, settings=settings)
    data = load(folder / f"{run.feed}.jsonl.gz", folder / f"{run.feed}.outputs.json", trial)
    points = []
    for step in simulate(data, trial):
        if step.point is not None:
            spent = {"learning": round(step.learning, 2), "updates": step.updates, "rehearsals": step.rehearsals}
            points.append({**asdict(step.point), **spent})
    outputs = len(data.outputs)
    return {
        **asdict(run),
        "outputs": outputs,
        "points": points,
        "seconds": round(step.seconds, 2),
        **made_of(digest(ours())),
    }


if __name__ == "__main__":
    main()
