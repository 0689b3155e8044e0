"""Models beside the one that serves, over real feeds: what is claimed against what all answers say.

    python benchmarks/challengers.py DATA [--feeds NAME ...] [--only OUTPUT] [--limit 8000] [--floor 0.02 0.05]

Savings: the live figure with its bounds, the same from the answers to all arrivals, and the labels that the uniform
arm takes for losses that the chosen arm reaches, by their curves. Promotion: a sensible candidate beside a badly set
model, and the other way round.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from models.arms import SAMPLES, Arm, lesson_for
from models.chance import Budget, combine, draw, query_id
from models.contrast import Contrast, better, difference, losses, per_arrival, worth
from models.features import featurise
from models.learner import Learner, LearnerSettings
from models.messages import Because, Query
from models.policies import policy_named
from models.view import View
from service.division import Data, divide
from service.report import ALPHA
from service.settings import AskingSettings

SHARE, BATCH = 0.1, 64
GOOD = LearnerSettings()
BAD = replace(GOOD, cost=0.01)


@dataclass(frozen=True)
class Step:
    """A batch of arrivals: what every learner lost on each, before it learnt of any, and the labels each has had."""

    chance: np.ndarray
    asked: np.ndarray
    lost: Mapping[str, np.ndarray]
    labels: Mapping[str, int]
    seconds: Mapping[str, float]  # of learning, so far


def go(
    data: Data, learners: Mapping[str, tuple[LearnerSettings, Arm]], floor: float, policy: str, seed: int
) -> Iterator[Step]:
    """Serve a feed with the first learner, the others beside it."""
    made = {name: Learner(data.outputs, settings, seed=seed) for name, (settings, _) in learners.items()}
    serving, budget = next(iter(made)), Budget(share=SHARE, floor=floor)
    labels, seconds = dict.fromkeys(made, 0), dict.fromkeys(made, 0.0)
    rule = policy_named(policy, damping=False)
    for start in range(0, len(data.stream), BATCH):
        products, truth = data.stream[start : start + BATCH], data.answers[start : start + BATCH].astype(np.float32)
        views = {
            name: View.of(featurise(products, bits=one.settings.bits), one.snapshot()) for name, one in made.items()
        }
        lost = {name: losses(view.scores, truth) for name, view in views.items()}
        chance = budget.chances_for(combine(rule.disagreement(views[serving]))).product
        arrivals = [f"products/0/{i}" for i in range(start, start + len(products))]
        asked = np.array([draw(f"{seed}".encode(), data.name, one) for one in arrivals]) < chance
        queries = [
            Query(
                id=query_id(data.name, arrivals[i]), arrival=arrivals[i], product=products[i], ask=list(data.outputs),
                chance=float(chance[i]), scores=b"", model=0, policy=policy, priority=0.0, asked_at=1e9, expires_at=2e9,
                because=Because(disagreement={}, combined=0.0, floor=floor, scale=1.0, threshold={}, share=SHARE),
            )
            for i in np.flatnonzero(asked)
        ]  # fmt: skip
        answers = [dict(zip(data.outputs, truth[i].tolist(), strict=True)) for i in np.flatnonzero(asked)]
        for name, one in made.items():
            began = time.perf_counter()
            told = [
                lesson
                for query, shares in zip(queries, answers, strict=True)
                if (lesson := lesson_for(learners[name][1], query, shares, data.outputs)) is not None
            ]
            one.update(one.version + 1, told)
            labels[name] += len(told)
            seconds[name] += time.perf_counter() - began
        yield Step(chance, asked, lost, dict(labels), dict(seconds))


def paired(before: tuple[Contrast, Contrast], step: Step, first: str, second: str, floor: float):
    """The sums with a batch added: of what was asked, and of everything."""
    each = difference(step.lost[first], step.lost[second])
    asked = step.asked
    return (
        before[0].plus(each[asked], 1.0 / step.chance[asked], floor),
        before[1].plus(each, np.ones(len(each)), 1.0),
    )


def savings(data: Data, floor: float, policy: str, seed: int) -> list[str]:
    """One row of the table of savings."""
    learners = {"serving": (GOOD, Arm.ALL)} | {arm.value: (GOOD, arm) for arm in SAMPLES}
    gain = halving = (Contrast(), Contrast())
    held, curve, first = True, [], None
    for number, step in enumerate(go(data, learners, floor, policy, seed)):
        gain, halving = paired(gain, step, "chosen", "uniform", floor), paired(halving, step, "half", "chosen", floor)
        live, true = worth(gain[0], halving[0], ALPHA), power(gain[1], halving[1])
        if live is not None and true is not None:
            held = held and live.lower <= min(2.0, max(0.5, true)) <= live.upper
            first = first or (number + 1) * BATCH
        curve.append([step.labels[name] for name in ("chosen", "uniform")])
        curve[-1] += [float(np.minimum(step.lost[name], 50.0).mean()) for name in ("chosen", "uniform")]
    said = "not yet known" if live is None else f"{live.estimate:.2f} ({live.lower:.2f} to {live.upper:.2f})"
    beside = sum(step.seconds[arm.value] for arm in SAMPLES) / step.seconds["serving"]
    return [
        data.name, policy, f"{floor:g}", f"{len(data.stream):,}", f"{step.labels['chosen']}, {step.labels['uniform']}",
        said, f"{first:,}" if first else "", f"{true:.2f}" if true else "?", "yes" if held else "**no**",
        f"{ratio(np.array(curve)):.2f}", f"{100 * beside:.0f} %",
    ]  # fmt: skip


def power(gain: Contrast, halving: Contrast) -> float | None:
    """What the choice is worth in labels by the answers to all arrivals."""
    return 2.0 ** (-gain.total / halving.total) if halving.total > 0.0 else None


def ratio(curve: np.ndarray) -> float:
    """Labels the uniform arm has had, over those the chosen one had, when their losses were alike; on average.

    Losses are smoothed over a tenth of the stream, and from both sides so that they only fall.
    """
    width = max(5, len(curve) // 10)
    labels, smooth = (
        curve[width - 1 :, :2],
        np.stack([np.convolve(curve[:, column], np.ones(width) / width, "valid") for column in (2, 3)], axis=1),
    )
    smooth = np.minimum.accumulate(smooth, axis=0)
    logs = np.log(np.maximum(labels, 1.0))
    levels = np.linspace(max(smooth[-1]), min(smooth[0]), 12)[:-2]
    taken = [np.interp(-levels, -smooth[:, one], logs[:, one]) for one in (0, 1)]
    return float(np.exp(np.mean(taken[1] - taken[0])))


def promotion(data: Data, floor: float, policy: str, seed: int, serving: LearnerSettings, candidate: LearnerSettings):
    """When a candidate would be promoted, in arrivals and labels, and the loss difference then or at the end."""
    sums = (Contrast(), Contrast())
    learners = {"serving": (serving, Arm.ALL), "other": (candidate, Arm.ALL)}
    arrivals = 0
    for step in go(data, learners, floor, policy, seed):
        arrivals += len(step.asked)
        sums = paired(sums, step, "other", "serving", floor)
        if better(sums[0], ALPHA):
            break
    between = per_arrival(sums[0], ALPHA)
    promoted = better(sums[0], ALPHA)
    return [
        f"{arrivals:,} arrivals, {sums[0].answers:,} labels" if promoted else f"never in {len(data.stream):,}",
        f"{between.estimate:+.3f} ({between.lower:+.3f} to {between.upper:+.3f})",
        f"{sums[1].total / sums[1].answers:+.3f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--feeds", nargs="+")
    parser.add_argument("--limit", type=int, default=8_000)
    parser.add_argument("--floor", type=float, nargs="+", default=[0.02, 0.05])
    parser.add_argument("--policies", nargs="+", default=[AskingSettings().policy])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--what", choices=("savings", "promotion", "both"), default="both")
    parser.add_argument("--only", help="ask about this output alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    policy = AskingSettings().policy
    tables: dict[str, list[list[str]]] = {"savings": [], "promotion": []}
    for path in sorted(arguments.data.glob("*.outputs.json")):
        name = path.name.removesuffix(".outputs.json")
        feed = arguments.data / f"{name}.jsonl.gz"
        if not feed.exists() or (arguments.feeds and name not in arguments.feeds):
            continue
        data = divide(feed, path, seed=arguments.seed, limit=arguments.limit)
        if arguments.only:
            k = [data.outputs.index(arguments.only)]
            data = replace(data, outputs=(arguments.only,), answers=data.answers[:, k], truth=data.truth[:, k])
        if arguments.what != "promotion":
            for one in arguments.policies:
                for floor in arguments.floor:
                    tables["savings"].append(savings(data, floor, one, arguments.seed))
                    print(tables["savings"][-1], file=sys.stderr, flush=True)
        if arguments.what != "savings":
            for said, serving, other in (("sensible beside bad", BAD, GOOD), ("bad beside sensible", GOOD, BAD)):
                found = promotion(data, arguments.floor[0], policy, arguments.seed, serving, other)
                tables["promotion"].append([name, said, *found])
                print(tables["promotion"][-1], file=sys.stderr, flush=True)
    for rows in tables.values():
        print("\n".join("| " + " | ".join(row) + " |" for row in rows))


if __name__ == "__main__":
    main()
