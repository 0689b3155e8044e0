"""Runs in processes of their own, with one thread each, whose reports are kept: what is there is not made again."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results"
PROTOCOL: Final = ROOT / "service" / "division.py"  # all systems depend on it
ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
DISTRIBUTIONS: Final = ("numpy", "torch", "scikit-learn", "scikit-activeml", "river", "vowpalwabbit")


@dataclass(frozen=True, slots=True)
class Task:
    """A command that writes a report, which says of which `code` it is, to standard output; it is kept as `path`."""

    path: Path
    code: str
    command: tuple[str, ...]

    @property
    def fresh(self) -> bool:
        return self.path.exists() and json.loads(self.path.read_text())["code"] == self.code


def ours() -> list[Path]:
    """The code that figures of Askance depend on."""
    return [*(ROOT / "models").glob("*.py"), ROOT / "service" / "simulate.py", PROTOCOL]


def digest(paths: Iterable[Path]) -> str:
    found = hashlib.blake2b(digest_size=4)
    for path in sorted(paths):
        found.update(path.read_bytes())
    return found.hexdigest()


def made_of(code: str) -> dict[str, Any]:
    """What a report says of the code and the machine it comes from."""
    versions = {name: version(name) for name in DISTRIBUTIONS}
    machine = {"cpu": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    return {"code": code, "machine": {**machine, "versions": versions}, "load": round(os.getloadavg()[0], 1)}


def feeds_of(folder: Path, wanted: Sequence[str] | None) -> list[str]:
    """The feeds of a folder by name, all or those wanted."""
    found = sorted(path.name.removesuffix(".outputs.json") for path in folder.glob("*.outputs.json"))
    found = [name for name in found if (folder / f"{name}.jsonl.gz").exists()]
    missing = set(wanted or ()) - set(found)
    if missing or not found:
        raise SystemExit(f"{folder}: no {', '.join(sorted(missing)) or 'NAME'}.jsonl.gz with .outputs.json there")
    return [name for name in found if not wanted or name in wanted]


def make(tasks: Sequence[Task], *, minutes: float, jobs: int) -> None:
    """Make the reports that are missing or of other code, in order, `jobs` at a time; begin none after so many minutes.

    Raises:
        SystemExit: some failed; all others were made all the same.

    """
    ends = time.monotonic() + minutes * 60
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress, ThreadPoolExecutor(jobs) as pool:
        shown = progress.add_task("", total=len(tasks))
        failed = [path for path in pool.map(lambda task: _run(task, ends, progress, shown), tasks) if path]
    if failed:
        raise SystemExit(f"{len(failed)} runs failed: {', '.join(path.stem for path in failed)}")


def _run(task: Task, ends: float, progress: Progress, shown: TaskID) -> Path | None:
    progress.update(shown, description=task.path.stem)
    failed = False
    if not task.fresh and time.monotonic() < ends:
        task.path.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
        done = subprocess.run(
            [sys.executable, *task.command], env=environment, stdout=subprocess.PIPE, check=False, text=True
        )
        failed = done.returncode != 0
        if not failed:
            unfinished = task.path.with_suffix(".part")
            unfinished.write_text(done.stdout)
            unfinished.replace(task.path)
    progress.advance(shown)
    return task.path if failed else None
