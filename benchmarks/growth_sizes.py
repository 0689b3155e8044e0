"""What scoring and learning cost with so many outputs and members."""

import argparse
import resource
from statistics import median
from time import process_time
from typing import Any, Final

from offers import offers, records
from step import steps, taught

ANSWERS: Final = {10_000: 64}  # fewer where each takes long
NAMES: Final = 20_000  # products whose titles name the outputs


def case(outputs: int, members: int, given: argparse.Namespace) -> dict[str, Any]:
    """One number of outputs and members: microseconds and bytes."""
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
