"""Simulate every text set of a folder at ten percent with each policy, and write the table of docs/simulate.md.

    python benchmarks/simulate_table.py DATA [--page docs/simulate.md] [--reports FOLDER] [--seeds 0 1]

Every set is a file NAME.jsonl.gz with NAME.outputs.json beside it. The part of the page between the two marks is
replaced; with --reports each run's report is written too.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from models.policies import POLICIES
from service.simulate import Trial, simulate

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
SHOWN = (100, 200, 400, 800, 1_600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--page", type=Path, default=Path("docs/simulate.md"))
    parser.add_argument("--reports", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--limit", type=int, default=20_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # more do not help with networks this small
    rows = []
    for outputs in sorted(arguments.data.glob("*.outputs.json")):
        name = outputs.name.removesuffix(".outputs.json")
        for policy in POLICIES:
            reports = []
            for seed in arguments.seeds:
                trial = Trial(policy=policy, share=0.1, limit=arguments.limit, seed=seed)
                reports.append(simulate(arguments.data / f"{name}.jsonl.gz", outputs, trial))
                if arguments.reports:
                    file = arguments.reports / f"{name}.askance.{policy}.shuffled.s{seed}.json"
                    file.write_text(json.dumps(reports[-1], indent=1) + "\n")
            rows.append(row(name, policy, reports))
            print(rows[-1], file=sys.stderr, flush=True)
    if not rows:
        raise SystemExit(f"{arguments.data}: no NAME.outputs.json there")
    table = "\n".join([*heading(), *rows])
    page = arguments.page.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    arguments.page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def heading() -> list[str]:
    columns = [
        "feed",
        "policy",
        *(f"AP at {labels:,}" for labels in SHOWN),
        "labels at the end",
        "AP",
        "F1",
        "products/s",
    ]
    return ["| " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * (len(columns) - 2)]


def row(name: str, policy: str, reports: list[dict[str, Any]]) -> str:
    """One line of the table: means over the seeds."""

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    reached = []
    for labels in SHOWN:
        found = [point["macro_ap"] for report in reports for point in report["points"] if point["labels"] == labels]
        reached.append(f"{mean(found):.3f}" if len(found) == len(reports) else "")
    last = [report["points"][-1] for report in reports]
    cells = [
        name,
        policy,
        *reached,
        f"{mean([point['labels'] for point in last]):,.0f}",
        f"{mean([point['macro_ap'] for point in last]):.3f}",
        f"{mean([point['micro_f1'] for point in last]):.3f}",
        f"{mean([report['products_per_second'] for report in reports]):,.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
