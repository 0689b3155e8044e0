"""Simulate with our own model and with river's classifiers beside it, and write the table of docs/river.md.

    python benchmarks/river_table.py DATA [--feeds flipkart fashion_styles] [--limit 5000] [--page docs/river.md]

DATA is a folder of feeds, NAME.jsonl.gz with NAME.outputs.json beside it. The part of the page between the two marks
is replaced.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import torch

from models.lessons import LearnerSettings
from service.simulate import Trial, simulate

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
SHOWN: Final = (100, 200, 400)
MODELS: Final = {
    "Askance's own": LearnerSettings(),
    "river, `logistic`": LearnerSettings(kind="river"),
    "river, `logistic`, 2 members": LearnerSettings(kind="river", river_members=2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--feeds", nargs="+", default=["flipkart", "fashion_styles"])
    parser.add_argument("--limit", type=int, default=5_000)
    parser.add_argument("--page", type=Path, default=Path("docs/river.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    before, rest = arguments.page.read_text().split(BEGIN)
    _, after = rest.split(END)
    rows = heading()
    for feed in arguments.feeds:
        for model, settings in MODELS.items():
            trial = Trial(policy="iwal-rare", share=0.1, limit=arguments.limit, settings=settings)
            paths = (arguments.data / f"{feed}.jsonl.gz", arguments.data / f"{feed}.outputs.json")
            rows.append(row(model, simulate(*paths, trial)))
            print(rows[-1], file=sys.stderr, flush=True)
    arguments.page.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}")


def heading() -> list[str]:
    columns = ["feed", "model", *(f"AP at {n}" for n in SHOWN), "labels at the end", "AP", "F1", "products/s"]
    return ["| " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * (len(columns) - 2)]


def row(model: str, report: dict[str, Any]) -> str:
    reached = {point["labels"]: f"{point['macro_ap']:.3f}" for point in report["points"]}
    last = report["points"][-1]
    cells = [
        report["feed"],
        model,
        *(reached.get(labels, "") for labels in SHOWN),
        f"{last['labels']:,}",
        f"{last['macro_ap']:.3f}",
        f"{last['micro_f1']:.3f}",
        f"{report['products_per_second']:,.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
