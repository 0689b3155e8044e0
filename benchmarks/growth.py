"""What scoring and learning cost against the number of outputs and of members: a part of docs/benchmarks.md.

    python benchmarks/growth.py [--outputs N ...] [--members N ...] [--rounds N] [--page FILE]

Each number is tried in a process of its own, on products of about 300 bytes, by the default policy and with an older
model to watch for drift. Seconds are the processor's of one thread; memory is the process's largest, less what it had
before there was a model. Exponents are the slopes of a straight line through logarithms, over the larger numbers.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Final

import numpy as np
import torch
from kept import RESULTS, ROOT
from offers import offers, records
from proof_page import put
from step import steps, taught
from throughput_table import line, told

OUTPUTS: Final = (10, 100, 1_000, 10_000)
MEMBERS: Final = (2, 8, 32, 128)
ANSWERS: Final = {10_000: 64}  # fewer where each takes long
NAMES: Final = 20_000  # products whose titles name the outputs
LARGE: Final = {"outputs": 1_000, "members": 8}  # exponents are fitted from here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", type=int, nargs="+", default=list(OUTPUTS))
    parser.add_argument("--members", type=int, nargs="+", default=list(MEMBERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--products", type=int, default=2_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--report", type=Path, default=RESULTS / "growth.json")
    parser.add_argument("--only", type=int, nargs=2, metavar=("OUTPUTS", "MEMBERS"), help="one case, as JSON")
    given = parser.parse_args()
    if given.only:
        print(json.dumps(case(*given.only, given)))
        return
    cases = [(outputs, 8) for outputs in given.outputs] + [(60, members) for members in given.members]
    found = [in_a_process(outputs, members, given) for outputs, members in cases]
    split = len(given.outputs)
    report = {"machine": told(given), "outputs": found[:split], "members": found[split:]}
    given.report.parent.mkdir(parents=True, exist_ok=True)
    given.report.write_text(json.dumps(report, indent=1) + "\n")
    put(given.page, "growth", "\n".join([*table("outputs", found[:split]), "", *table("members", found[split:])]))


def in_a_process(outputs: int, members: int, given: argparse.Namespace) -> dict[str, Any]:
    words = ["--only", outputs, members, "--rounds", given.rounds, "--products", given.products, "--batch", given.batch]
    done = subprocess.run([sys.executable, __file__, *map(str, words)], check=True, capture_output=True, text=True)
    print(done.stdout.strip(), file=sys.stderr, flush=True)
    return dict(json.loads(done.stdout))


def case(outputs: int, members: int, given: argparse.Namespace) -> dict[str, Any]:
    """One number of outputs and members: microseconds and bytes."""
    torch.set_num_threads(1)
    named = offers(NAMES, size=0, seed=2)
    lessons = offers(ANSWERS.get(outputs, 640), size=260, seed=0)
    arriving = records(offers(min(given.products, 2_000_000 // outputs), size=260, seed=1))
    before, began = most_memory(), process_time()
    served = taught(lessons, outputs, named=named, members=members)
    learnt, model = process_time() - began, most_memory()
    seconds, sizes = [], []
    for _ in range(given.rounds):
        scored = list(steps(served, arriving, given.batch))
        seconds.append(sum(sum(each.seconds.values()) for each in scored) / len(arriving))
        sizes = [len(one.value or b"") for each in scored for one in each.outgoing]
    return {
        "outputs": outputs,
        "members": members,
        "products_per_second": round(1.0 / median(seconds), 1),
        "microseconds_per_product": round(1e6 * median(seconds), 1),
        "milliseconds_per_answer": round(1e3 * learnt / len(lessons), 2),
        "megabytes_of_model": round((model - before) / 1e6),
        "megabytes_of_scoring": round((most_memory() - model) / 1e6),
        "largest_record": max(sizes),
    }


def most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024


def table(about: str, found: Sequence[dict[str, Any]]) -> list[str]:
    """A row for each number, and one of exponents."""
    costs = ("microseconds_per_product", "milliseconds_per_answer", "megabytes_of_model", "megabytes_of_scoring")
    heads = (
        about,
        "products a second",
        "µs a product",
        "ms an answer",
        "MB of the learner",
        "MB of scoring",
        "largest record",
    )
    lines = ["| " + " | ".join(heads) + " |", "| ---: |" + " ---: |" * (len(heads) - 1)]
    for each in found:
        cells = [f"{each['products_per_second']:,.0f}", *(f"{each[cost]:,}" for cost in costs)]
        lines.append(line(f"{each[about]:,}", [*cells, f"{each['largest_record'] / 1e3:,.0f} kB"]))
    large = [each for each in found if each[about] >= LARGE[about]]
    if len(large) > 1:
        sizes = np.log([each[about] for each in large])
        slopes = [slope(sizes, [each[cost] for each in large]) for cost in costs]
        lines.append(line(f"exponent from {LARGE[about]:,}", ["", *slopes, ""]))
    return lines


def slope(sizes: Any, values: Sequence[float]) -> str:
    """The exponent; nothing where values are so small that they are noise."""
    return f"{np.polyfit(sizes, np.log(values), 1)[0]:.2f}" if min(values) > 1 else ""


if __name__ == "__main__":
    main()
