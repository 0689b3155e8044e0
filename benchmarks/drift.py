"""Find drift in feeds that change midway and in feeds that do not, and write the tables of docs/drift.md.

    python benchmarks/drift.py DATA [--page docs/drift.md] [--seeds 0 1] [--feeds fashion_styles pricerunner ...]

Every feed is NAME.jsonl.gz with NAME.outputs.json in DATA. What changes is a generated catalogue, whose merchants and
wordings change midway, and the first feed, which the second follows. Shuffled, each feed alone stands still.
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from drift_streams import Stream, catalogue, followed, single

from models.chance import Budget, combine, draw, floor_for, query_id
from models.evaluation import macro_average_precision
from models.features import featurise
from models.learner import Learner, LearnerSettings, Lesson
from models.messages import Tally
from models.policies import POLICIES
from models.view import View
from models.watched import Yardstick
from service.ledger import Ledger

MARKS = (0, 1_000, 2_000, 3_000, 4_000)  # arrivals after the change at which quality is measured
POLICY = "iwal-rare"
FEEDS = ["fashion_styles", "pricerunner", "flipkart", "reuters21578", "food"]
BATCH, SHARE, LASTS = 64, 0.1, 5_000


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
            lessons = [
                Lesson(
                    query=query_id(stream.name, f"products/0/{i}"), product=stream.products[i],
                    targets=stream.answers[i].astype(np.float32), chance=np.full(len(stream.outputs), p, np.float32),
                )
                for i, p in zip(batch, chances, strict=True)
                if draw(f"drift/{seed}".encode(), stream.name, f"products/0/{i}") < p
            ]  # fmt: skip
            if lessons:
                learner.update(learner.version + 1, lessons)
                snapshot = learner.snapshot()
            labels[first >= stream.change] += len(lessons)
            if ours.drift.alert() or yardstick.worn(snapshot):
                yardstick = Yardstick.of(snapshot)
        ours.close()
        naive.close()
    return done


def tell(ledger: Ledger, by: Yardstick, view: View, batch: range, version: int) -> list[tuple[int, str]]:
    signals = msgspec.structs.replace(by.told(by.measure(view)), yardstick=version)
    tally = Tally(
        topic="products", partition=0, first=batch[0], last=batch[-1], model=0, policy=POLICY, n=len(batch),
        asked=0, chance=0.0, scale=1.0, outputs={}, signals=signals, at=1e9,
    )  # fmt: skip
    with ledger.transaction():
        change = ledger.drift.add(tally)
        ledger.traffic.add(tally)
        if change is None:
            return []
        ledger.drift.react(change, arrivals=LASTS, batch=None, keep=0)
        return [(batch.stop, change.signal)]


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
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # more do not help with networks this small
    page, data, feeds = arguments.page.read_text(), arguments.data, arguments.feeds
    streams = [(catalogue(seed), seed) for seed in arguments.seeds]
    streams += [(followed(data, *feeds[:2], seed), seed) for seed in arguments.seeds]
    change = [changing(stream, seed) for stream, seed in streams]
    still = [standing(single(data, name, order)) for order in ("shuffled", "source") for name in feeds]
    for name, rows in (("change", change), ("still", still)):
        before, rest = page.split(f"<!-- {name}: begin -->\n")
        table, after = rest.split(f"<!-- {name}: end -->")
        heading = table.splitlines()[:2]
        page = before + "\n".join([f"<!-- {name}: begin -->", *heading, *rows, f"<!-- {name}: end -->"]) + after
    arguments.page.write_text(page)


if __name__ == "__main__":
    main()
