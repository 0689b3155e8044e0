"""Replay the draws of a real stream a thousand times: are the proofs of quality right, and how wide are they?

    python benchmarks/proof.py DATA [--page docs/proof.md] [--results benchmarks/results] [--feeds NAME ...]
    python benchmarks/proof.py DATA --policies iwal-novel evidence

The service's scorer and learner go once over each feed, in source order, with labels that come 500 products late; their
scores, decisions and disagreements are kept. Then only the coins are thrown again, with chances that depend on the
coins before them: through the budget, and through what the late answers said of each output. Truth is known, so every
estimate and every bound can be checked after every arrival.

With `--policies` the table of how many labels each of them needs is made instead; nothing is drawn for that one.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from proof_figures import judge
from proof_page import compared, put, table
from proof_policies import compare
from proof_served import SHARE, serve

from models.chance import floor_for
from models.policies import POLICIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--page", type=Path, default=Path("docs/proof.md"))
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--feeds", nargs="+")
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--floor", type=float, default=floor_for(SHARE), help="least chance of asking")
    parser.add_argument("--limit", type=int, default=20_000)
    parser.add_argument("--policies", nargs="+", choices=tuple(POLICIES), default=(), help="compare these instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reports = []
    for outputs in sorted(arguments.data.glob("*.outputs.json")):
        name = outputs.name.removesuffix(".outputs.json")
        if arguments.feeds and name not in arguments.feeds:
            continue
        served = serve(
            arguments.data / f"{name}.jsonl.gz", outputs, arguments.limit, arguments.floor, arguments.policies
        )
        reports.append(compare(served) if arguments.policies else judge(served, arguments.runs))
        print(json.dumps(reports[-1]), file=sys.stderr, flush=True)
    if not reports:
        raise SystemExit(f"{arguments.data}: no NAME.outputs.json there, or none of those named")
    arguments.results.mkdir(parents=True, exist_ok=True)
    kind = "policies" if arguments.policies else f"{arguments.floor:g}"
    (arguments.results / f"proof-{kind}.json").write_text(json.dumps(reports, indent=1) + "\n")
    if arguments.policies:
        put(arguments.page, "policies", compared(reports))
    else:
        put(arguments.page, f"floor {arguments.floor:g}", table(reports))


if __name__ == "__main__":
    main()
