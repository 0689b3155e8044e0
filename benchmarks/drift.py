"""Find drift in feeds that change midway and in feeds that do not, and write the tables of docs/drift.md.

    python benchmarks/drift.py DATA [--page docs/drift.md] [--seeds 0 1] [--feeds fashion_styles pricerunner ...]
        [--tables change forget still]

Every feed is NAME.jsonl.gz with NAME.outputs.json in DATA. What changes is a generated catalogue, whose merchants and
wordings change midway, and the first feed, which the second follows. Shuffled, each feed alone stands still.
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from drift_forget import forgetting
from drift_steps import BATCH, SHARE, asked, renew, tell
from drift_streams import Stream, catalogue, exchanged, followed, single

from models.chance import Budget, combine, floor_for
from models.evaluation import macro_average_precision
from models.features import featurise
from models.learner import Learner, LearnerSettings
from models.policies import POLICIES
from models.view import View
from models.watched import Yardstick
from service.ledger import Ledger

MARKS = (0, 1_000, 2_000, 3_000, 4_000)  # arrivals after the change at which quality is measured
POLICY = "iwal-rare"
TABLES = ["change", "forget", "still"]
FEEDS = ["fashion_styles", "pricerunner", "flipkart", "reuters21578", "food"]


class Course(NamedTuple):
    found: list[tuple[int, str]]  # arrivals before each alarm, and its signal
    naive: list[tuple[int, str]]  # the same had the scores of the model that serves been watched
    quality: list[tuple[int, float]]  # at each mark: labels since the change, macro average precision after it


def course(stream: Stream, factor: float, seed: int) -> Course:
    """Ask about a tenth, and after an alarm about `factor` times as much, until the last mark."""
    learner, policy = Learner(stream.outputs, LearnerSettings(), seed=seed), POLICIES[POLICY]
    snapshot, exam, scale, labels = learner.snapshot(), featurise(stream.held, bits=20), None, [0, 0]
    done, yardstick, watched = Course([], [], []), Yardstick.of(snapshot), np.arange(min(32, len(stream.outputs)))
    with tempfile.TemporaryDirectory() as folder:
        ours, naive = Ledger(Path(folder) / "ours"), Ledger(Path(folder) / "naive")
        for first in range(0, min(len(stream.products), stream.change + MARKS[-1] + BATCH), BATCH):
            if len(done.quality) < len(MARKS) and first >= stream.change + MARKS[len(done.quality)]:
                scores = snapshot.scores(snapshot.members(exam))
                done.quality.append((labels[1], macro_average_precision(scores, stream.truth)))
            batch = range(first, min(len(stream.products), first + BATCH))
            view = View.of(featurise([stream.products[i] for i in batch], bits=20), snapshot)
            done.found.extend(tell(ours, yardstick, view, batch, yardstick.snapshot.version))
            done.naive.extend(tell(naive, Yardstick(snapshot, watched), view, batch, 0))
            share = SHARE * (factor if ours.drift.alert() else 1.0)
            budget = Budget(share=share, floor=floor_for(share), scale=scale)
            chances, scale = budget.chances_for(combine(policy.disagreement(view))).product, budget.scale
            lessons = asked(stream, batch, chances, seed)
            if lessons:
                learner.update(learner.version + 1, lessons)
                snapshot = learner.snapshot()
            labels[first >= stream.change] += len(lessons)
            if ours.drift.alert() or yardstick.worn(snapshot):
                yardstick = Yardstick.of(snapshot)
        ours.close()
        naive.close()
    return done


def changing(stream: Stream, seed: int) -> str:
    """One line about what changes: without a reaction, and with twice the share."""
    plain, raised = (course(stream, factor, seed) for factor in (1.0, 2.0))
    false = [str(sum(place < stream.change for place, _ in found)) for found in (raised.naive, raised.found)]
    after = [f"{place - stream.change:,} ({signal})" for place, signal in raised.found if place >= stream.change]
    reached = [f"{a:.3f} / {b:.3f}" for (_, a), (_, b) in zip(plain.quality, raised.quality, strict=True)]
    labels = f"{plain.quality[-1][0]:,} / {raised.quality[-1][0]:,}"
    return "| " + " | ".join([stream.name, str(seed), *false, *(after or ["not found"])[:1], *reached, labels]) + " |"


def standing(stream: Stream) -> str:
    """One line about what stands still, or has an order of its own."""
    run = course(stream, 1.0, 0)
    found = ", ".join(f"{place:,} ({signal})" for place, signal in run.found) or "none"
    return f"| {stream.name} | {len(stream.products):,} | {len(run.naive)} | {found} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--page", type=Path, default=Path("docs/drift.md"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--feeds", nargs="+", default=FEEDS)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # more do not help with networks this small
    data, feeds, seeds = arguments.data, arguments.feeds, arguments.seeds
    streams = [(catalogue(seed), seed) for seed in seeds]
    streams += [(followed(data, *feeds[:2], seed), seed) for seed in seeds]
    turned = [(exchanged(seed, every), seed) for every in (3, 1) for seed in seeds]
    if "change" in arguments.tables:
        renew(arguments.page, "change", [changing(stream, seed) for stream, seed in streams])
    if "forget" in arguments.tables:
        rows = [forgetting(stream, seed, known=False) for stream, seed in streams]
        renew(arguments.page, "forget", [*rows, *(forgetting(stream, seed, known=True) for stream, seed in turned)])
    if "still" in arguments.tables:
        orders = ("shuffled", "source")
        renew(arguments.page, "still", [standing(single(data, name, one)) for one in orders for name in feeds])


if __name__ == "__main__":
    main()
