"""What scoring and learning cost against what grows; each part is a table of docs/benchmarks.md, "How it grows".

    python benchmarks/growth.py [--parts outputs members history] [--rounds N]
    python benchmarks/growth.py --parts replicas --kafka HOST:PORT [--client NAME]

- *outputs*, *members*: each number in a process of its own, products of about 300 bytes, the default policy, an older
  model to watch for drift. Memory is the process's largest, less what it had before there was a model.
- *history*: one process goes on, as `askance run` does but without a log, and learns from some answers on the way;
  every product has an id and a word of its own. Resident memory is of the whole process.
- *replicas*: so many `askance score`, one thread each, on one backlog in a real Kafka.

Seconds are the processor's but for products a second of replicas. Exponents are the slopes of a straight line through
logarithms, over the larger numbers. What was measured of the same code with the same options is kept in
benchmarks/results/growth and not measured again; `--only PART NUMBER` measures one number and prints it.
"""

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
import torch
from growth_history import history
from growth_page import TABLES, table
from growth_replicas import replicas
from growth_sizes import case
from kept import RESULTS, ROOT, Task, digest, made_of, make
from proof_page import put

NUMBERS: Final = {
    "outputs": (10, 100, 1_000, 10_000),
    "members": (2, 8, 32, 128),
    "history": (50_000, 500_000, 1_000_000, 2_000_000, 5_000_000),
    "replicas": (1, 2, 4),
}
CODE: Final = ("models", "consumers", "producers", "service")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=NUMBERS, default=["outputs", "members", "history"])
    for part, numbers in NUMBERS.items():
        parser.add_argument(f"--{part}", type=int, nargs="+", default=list(numbers), metavar="N")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--products", type=int, default=2_000, help="of a round, or times 50 of a backlog")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--kafka", default="127.0.0.1:9092", help="a broker, for replicas: `make kafka`")
    parser.add_argument("--client", default="kafka-python", help="for replicas")
    parser.add_argument("--minutes", type=float, default=600.0, help="nothing is begun later; a later run goes on")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--only", nargs=2, metavar=("PART", "NUMBER"), help="as JSON; history goes up to the number")
    given = parser.parse_args()
    if given.only:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no scorer is left running
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        torch.set_num_threads(1)
        print(json.dumps(one(given.only[0], int(given.only[1]), given)))
        return
    tasks = {part: tasks_of(part, given) for part in given.parts}
    make([task for each in tasks.values() for task in each], minutes=given.minutes, jobs=1)
    for part, each in tasks.items():
        reports = [json.loads(task.path.read_text()) for task in each if task.fresh]
        put(given.page, f"growth by {part}", "\n".join(table(TABLES[part], reports)))


def tasks_of(part: str, given: argparse.Namespace) -> list[Task]:
    """One for each number; history is one process for all of its numbers."""
    numbers = getattr(given, part)
    named = f"-{given.client}" if part == "replicas" else ""
    options = ["--rounds", given.rounds, "--products", given.products, "--batch", given.batch]
    options += ["--kafka", given.kafka, "--client", given.client, "--history", *given.history]
    return [
        Task(RESULTS / "growth" / f"{part}{named}-{number}.json", code_of(part, given), words)
        for number in ([max(numbers)] if part == "history" else numbers)
        for words in [tuple(map(str, (__file__, "--only", part, number, *options)))]
    ]


def code_of(part: str, given: argparse.Namespace) -> str:
    """What a report depends on: the code, and how it was asked for."""
    files = [path for folder in CODE for path in (ROOT / folder).glob("*.py")]
    code = digest([*files, *Path(__file__).parent.glob("growth_[!p]*.py")])
    asked = [given.rounds, given.products, given.batch, *(given.history if part == "history" else ())]
    return "-".join([code, *map(str, asked)])


def one(part: str, number: int, given: argparse.Namespace) -> dict[str, Any]:
    measured: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "outputs": lambda: [case(number, 8, given)],
        "members": lambda: [case(60, number, given)],
        "history": lambda: list(history([mark for mark in given.history if mark <= number])),
        "replicas": lambda: [replicas(number, given.kafka, given.client, 50 * given.products)],
    }
    found = measured[part]()
    return {**made_of(code_of(part, given)), "found": found, "load": round(os.getloadavg()[0], 1)}


if __name__ == "__main__":
    main()
