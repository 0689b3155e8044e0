"""The table of docs/simulate.md: every text set of a folder at ten percent, at random and with the default policy.

    python benchmarks/simulate_table.py DATA [--page docs/simulate.md] [--reports FOLDER] [--seeds N]

Every set is a file NAME.jsonl.gz with NAME.outputs.json beside it. The runs are those of labels.py, and so are the kept
reports: what is there is not made again. The part of the page between the two marks is replaced.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import labels
from kept import RESULTS, feeds_of, make
from labels_count import DEFAULT, PLAIN, mean

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
SHOWN = (100, 200, 400, 800, 1_600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--page", type=Path, default=Path("docs/simulate.md"))
    parser.add_argument("--reports", type=Path, default=RESULTS / "labels")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    runs = {
        (feed, system[1]): [labels.Run(feed, *system, seed) for seed in range(arguments.seeds)]
        for feed in feeds_of(arguments.data, None)
        for system in (PLAIN, DEFAULT)
    }
    tasks = [labels.task(run, arguments.data, arguments.reports) for seeds in runs.values() for run in seeds]
    make(tasks, minutes=float("inf"), jobs=1)
    rows = []
    for (feed, policy), seeds in runs.items():
        reports = [json.loads((arguments.reports / run.file).read_text()) for run in seeds]
        rows.append(row(feed, policy, reports))
    before, rest = arguments.page.read_text().split(BEGIN)
    _, after = rest.split(END)
    table = "\n".join([*heading(), *rows])
    arguments.page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def heading() -> list[str]:
    reached = (f"AP at {count:,}" for count in SHOWN)
    columns = ["feed", "policy", *reached, "labels at the end", "AP", "F1", "products/s"]
    return ["| " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * (len(columns) - 2)]


def row(name: str, policy: str, reports: list[dict[str, Any]]) -> str:
    """One line of the table: means over the seeds."""
    reached = []
    for count in SHOWN:
        found = [point["macro_ap"] for report in reports for point in report["points"] if point["labels"] == count]
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
