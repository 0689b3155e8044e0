"""Every policy, and importance weights in training, on short streams: the table in docs/algorithm.md.

    python benchmarks/policies_table.py DATA [--feeds NAME ...] [--limit N] [--seeds N] [--page FILE]

A feed is a file NAME.jsonl.gz with NAME.outputs.json beside it. A run of 6,000 products takes about 15 seconds; there
are ten per feed and seed. The page's part between the two marks is replaced.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from models.lessons import LearnerSettings
from models.policies import POLICIES
from service.asking_settings import AskingSettings
from service.simulate import Trial, simulate

BEGIN, END = "<!-- policies: begin -->", "<!-- policies: end -->"
POINTS: Final = (200, 400)
FEEDS: Final = ("fashion_styles", "reuters21578")
WEIGHTS: Final = ("clipped", "full")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--feeds", nargs="+", default=FEEDS)
    parser.add_argument("--limit", type=int, default=6_000, help="most products of a stream")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--page", type=Path, default=Path("docs/algorithm.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # more do not help with networks this small
    rows = [*heading(arguments.feeds)]
    for name, trial in variants(arguments.limit):
        cells = [cell for feed in arguments.feeds for cell in reached(arguments.data, feed, trial, arguments.seeds)]
        rows.append("| " + " | ".join([name, *cells]) + " |")
        print(rows[-1], file=sys.stderr, flush=True)
    before, rest = arguments.page.read_text().split(BEGIN)
    table = "\n".join(rows)
    arguments.page.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}")


def variants(limit: int) -> Iterator[tuple[str, Trial]]:
    """Rows of the table: every policy, then the default one with importance weights in training and with damping."""
    default = AskingSettings().policy
    for policy in POLICIES:
        name = f"**`{policy}`**" if policy == default else f"`{policy}`"
        yield name, Trial(policy=policy, share=0.1, limit=limit)
    plain = Trial(policy=default, share=0.1, limit=limit)
    for weights in WEIGHTS:
        yield f"`{default}`, `weights = {weights}`", replace(plain, settings=LearnerSettings(weights=weights))
    yield f"`{default}`, damped", replace(plain, damping=True)


def reached(data: Path, feed: str, trial: Trial, seeds: int) -> Iterator[str]:
    """Macro-AP on one feed at each of POINTS, a mean over seeds; empty where one of them did not come so far."""
    feeds = data / f"{feed}.jsonl.gz", data / f"{feed}.outputs.json"
    reports = [simulate(*feeds, replace(trial, seed=seed)) for seed in range(seeds)]
    for labels in POINTS:
        found = [point["macro_ap"] for report in reports for point in report["points"] if point["labels"] == labels]
        yield f"{sum(found) / seeds:.3f}" if len(found) == seeds else ""


def heading(feeds: list[str]) -> Iterator[str]:
    columns = ["policy", *(f"{feed}, {labels} labels" for feed in feeds for labels in POINTS)]
    yield "| " + " | ".join(columns) + " |"
    yield "| --- |" + " ---: |" * (len(columns) - 1)


if __name__ == "__main__":
    main()
