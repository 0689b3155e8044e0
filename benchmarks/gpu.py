"""The scoring step and the learner's steps on a GPU: products a second by batch, and how near the memory's limit.

    python benchmarks/gpu.py [--device cuda] [--outputs 1000] [--batches N ...] [--rounds N] [--page FILE]

*Network*: what runs on the device alone, from its inputs there to probabilities there; the bytes that it has to move at
least, inputs and weights read and probabilities written once, over its time, beside what copying a large tensor
reaches. Wall time, medians over rounds. Where there is no GPU it says so and ends; `--device cpu` tries the path.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch
from kept import RESULTS, ROOT
from offers import offers, records, sayings, truth
from proof_page import put
from step import LESSONS, steps, taught
from throughput_table import line

from models import network
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson

BATCHES: Final = (64, 256, 1_024, 4_096, 16_384)
ANSWERS: Final = 640


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--outputs", type=int, default=1_000)
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--answers", type=int, default=ANSWERS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copied", type=int, default=2**30, help="bytes of the tensor that is copied")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md", help="written for a GPU alone")
    parser.add_argument("--report", type=Path, default=RESULTS / "gpu.json")
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        print("no GPU here: nothing is measured (--device cpu tries the path)")
        return
    report = measured(given)
    given.report.parent.mkdir(parents=True, exist_ok=True)
    given.report.write_text(json.dumps(report, indent=1) + "\n")
    print("\n".join(rows(report)))
    if given.device.startswith("cuda"):
        put(given.page, "gpu", "\n".join(rows(report)))


def measured(given: argparse.Namespace) -> dict[str, Any]:
    device = torch.device(given.device)
    limit = 2 * given.copied / copying(device, given.copied, given.rounds)
    lessons = offers(given.answers, size=260, seed=0)
    served = taught(
        lessons, given.outputs, named=offers(min(20_000, 20 * given.outputs), size=0, seed=2), device=given.device
    )
    arriving = records(offers(max(given.batches), size=260, seed=1))
    found = []
    for batch in given.batches:
        scoring = median(timed(lambda n=batch: list(steps(served, arriving[:n], n)), given.rounds, device))
        alone, moved = network_alone(served.snapshot, batch, given.rounds, device)
        found.append({
            "batch": batch, "products_per_second": round(batch / scoring), "network_per_second": round(batch / alone),
            "share_of_bandwidth": round(moved / alone / limit, 4),
        })  # fmt: skip
    return {
        "machine": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "torch": torch.__version__,
        "outputs": given.outputs,
        "gigabytes_per_second": round(limit / 1e9, 1),
        "batches": found,
        "update_steps_per_second": round(updating(given, lessons, device), 1),
    }


def timed(work: Callable[[], object], rounds: int, device: torch.device) -> list[float]:
    """Seconds of each round, after one that does not count."""
    seconds = []
    for _ in range(rounds + 1):
        settled(device)
        began = time.perf_counter()
        work()
        settled(device)
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def settled(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def copying(device: torch.device, size: int, rounds: int) -> float:
    """Seconds to copy so many bytes on the device: each is read and written."""
    source = torch.zeros(size // 4, device=device)
    target = torch.empty_like(source)
    return min(timed(lambda: target.copy_(source), rounds, device))


def network_alone(snapshot: Any, batch: int, rounds: int, device: torch.device) -> tuple[float, int]:
    """Seconds that the network takes for a batch whose inputs are there, and the bytes it has to move at least."""
    shapes = (len(snapshot.outputs), snapshot.embedding.shape[1], snapshot.sketch)
    linear, embedded, sketched = (torch.randn(batch, width, device=device) for width in shapes)

    @torch.inference_mode()
    def work() -> torch.Tensor:
        said = network.blend_fused(linear, snapshot.dense, snapshot.fused, embedded, sketched)
        return torch.sigmoid(said)

    weights = [*snapshot.fused, snapshot.dense["trunk"], snapshot.dense["trunk_shift"]]
    tensors = [linear, embedded, sketched, *weights, work()]
    return median(timed(work, rounds, device)), sum(each.numel() * each.element_size() for each in tensors)


def updating(given: argparse.Namespace, products: Sequence[Any], device: torch.device) -> float:
    """Steps of the network a second while a learner learns, all it does beside them in the time."""
    names = sayings(products, given.outputs)
    answers, chance = truth(products, names).astype(np.float32), np.ones(len(names), np.float32)
    learner = Learner(names, LearnerSettings(), seed=0, device=given.device)
    taken, began = 0, time.perf_counter()
    for number, first in enumerate(range(0, len(products), LESSONS), start=1):
        batch = range(first, min(len(products), first + LESSONS))
        lessons = [Lesson(query=f"q{i}", product=products[i], targets=answers[i], chance=chance) for i in batch]
        taken += learner.update(number, lessons).steps
    settled(device)
    return taken / (time.perf_counter() - began)


def rows(report: dict[str, Any]) -> list[str]:
    told = (
        f"{report['machine']}, torch {report['torch']}; copying a large tensor moves "
        f"{report['gigabytes_per_second']:,} GB a second; {report['outputs']:,} outputs; "
        f"{report['update_steps_per_second']:,} steps of learning a second."
    )
    lines = [told, "", "| batch | the whole step, products a second | network alone | of the memory's bandwidth |"]
    lines.append("| ---: |" + " ---: |" * 3)
    for one in report["batches"]:
        cells = [f"{one['products_per_second']:,}", f"{one['network_per_second']:,}"]
        lines.append(line(f"{one['batch']:,}", [*cells, f"{one['share_of_bandwidth']:.1%}"]))
    return lines


if __name__ == "__main__":
    main()
