"""How many products a second the scoring step takes on one core, without any log, beside the peers: docs/benchmarks.md.

    python benchmarks/throughput.py [--rounds N] [--products N] [--sizes BYTES ...] [--no-peers] [--page FILE]
    python benchmarks/throughput.py --profile [--sizes BYTES]

A model of 60 outputs that has learnt 2,000 answers scores products of about 300 bytes and 1 kB by the default policy;
an older one watches for drift. Seconds are the processor's, whatever else it does; all take turns in each round.
Shown are medians over rounds, of ratios too. About a minute a round.
"""

import argparse
import cProfile
import gc
import json
import pstats
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch
from kept import RESULTS, ROOT
from offers import offers, records
from proof_page import put
from step import STAGES, Served, steps, taught
from throughput_peers import peers
from throughput_table import rows, told

OUTPUTS: Final = 60
ANSWERS: Final = 2_000
SIZES: Final = {300: 260, 1_000: 950}  # bytes wanted, and asked for: the last sentence goes beyond
JUDGED: Final = ("featurise", "classify", "decide")  # what peers do too, and the chance: what the targets are about
WARM: Final = 2  # batches that are not counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--products", type=int, default=8_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--no-peers", action="store_true", help="our own step alone")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--report", type=Path, default=RESULTS / "throughput.json")
    parser.add_argument("--profile", action="store_true", help="where a round goes, by function, and nothing else")
    given = parser.parse_args()
    torch.set_num_threads(1)
    reports = [measured(size, given) for size in given.sizes]
    given.report.parent.mkdir(parents=True, exist_ok=True)
    given.report.write_text(json.dumps({"machine": told(given), "sizes": reports}, indent=1) + "\n")
    if not given.no_peers:
        put(given.page, "throughput", rows(told(given), reports))


def measured(size: int, given: argparse.Namespace) -> dict[str, Any]:
    """Rounds over one size of products: seconds per product by stage, and by peer."""
    lessons = offers(ANSWERS, size=SIZES.get(size, size), seed=0)
    products = offers(given.products, size=SIZES.get(size, size), seed=1)
    arriving = records(products)
    served = taught(lessons, OUTPUTS)
    gc.freeze()  # as the service does when it begins to serve
    if given.profile:
        with cProfile.Profile() as profile:
            scored(served, arriving, given.batch)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        raise SystemExit
    ours: list[dict[str, float]] = []
    theirs: list[Mapping[str, float]] = []
    with nullcontext(None) if given.no_peers else peers(lessons, served.snapshot.outputs) as others:
        for _ in range(given.rounds):
            ours.append(scored(served, arriving, given.batch))
            theirs.append({} if others is None else others(products))
    totals = [sum(each.values()) for each in ours]
    judged = [sum(each[stage] for stage in JUDGED) for each in ours]
    return {
        "bytes": round(sum(len(record.value or b"") for record in arriving) / len(arriving), 1),
        "products_per_second": round(1.0 / median(totals)),
        "judged_per_second": round(1.0 / median(judged)),
        "microseconds": {stage: round(1e6 * median(each[stage] for each in ours), 2) for stage in STAGES},
        "peers": {
            name: {
                "products_per_second": round(1.0 / median(each[name] for each in theirs)),
                "times": round(median(each[name] / total for each, total in zip(theirs, totals, strict=True)), 2),
                "judged_times": round(median(each[name] / own for each, own in zip(theirs, judged, strict=True)), 2),
            }
            for name in theirs[0]
        },
        "digest": served.digest,
        "rounds": [{"ours": mine, "peers": other} for mine, other in zip(ours, theirs, strict=True)],
    }


def scored(served: Served, arriving: list[Any], batch: int) -> dict[str, float]:
    """Seconds per product by stage, of the batches after the first few."""
    counted = list(steps(served, arriving, batch))[WARM:]
    arrivals = sum(each.arrivals for each in counted)
    return {stage: sum(each.seconds[stage] for each in counted) / arrivals for stage in STAGES}


if __name__ == "__main__":
    main()
