"""Replay the draws of a real stream a thousand times: are the proofs of quality right, and how wide are they?

    python benchmarks/proof.py DATA [--page docs/proof.md] [--results benchmarks/results] [--feeds NAME ...]

The service's scorer and learner go once over each feed, in source order, with labels that come 500 products late; their
scores, decisions and disagreements are kept. Then only the coins are thrown again, with chances that depend on the
coins before them: through the budget, and through what the late answers said of each output. Truth is known, so every
estimate and every bound can be checked after every arrival.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from proof_figures import judge
from proof_page import write
from proof_served import SHARE, serve

from models.chance import floor_for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--page", type=Path, default=Path("docs/proof.md"))
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--feeds", nargs="+")
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--floor", type=float, default=floor_for(SHARE), help="least chance of asking")
    parser.add_argument("--limit", type=int, default=20_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reports = []
    for outputs in sorted(arguments.data.glob("*.outputs.json")):
        name = outputs.name.removesuffix(".outputs.json")
        if arguments.feeds and name not in arguments.feeds:
            continue
        served = serve(arguments.data / f"{name}.jsonl.gz", outputs, arguments.limit, arguments.floor)
        reports.append(judge(served, arguments.runs))
        print(json.dumps(reports[-1]), file=sys.stderr, flush=True)
    if not reports:
        raise SystemExit(f"{arguments.data}: no NAME.outputs.json there, or none of those named")
    arguments.results.mkdir(parents=True, exist_ok=True)
    (arguments.results / f"proof-{arguments.floor:g}.json").write_text(json.dumps(reports, indent=1) + "\n")
    write(arguments.page, arguments.floor, reports)


if __name__ == "__main__":
    main()
