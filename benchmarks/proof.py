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
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.chance import Budget, combine, draw, floor_for, rise
from models.confidence import bound, tuned
from models.estimates import FIRST_GUESS, Figures, Interval
from models.estimates import combine as figures_of
from models.features import featurise
from models.learner import Learner, LearnerSettings, Lesson
from models.policies import POLICIES
from models.view import View
from service.division import divide
from service.settings import AskingSettings

ALPHA: Final = 0.05
SHARE: Final = 0.1
POLICY: Final = AskingSettings().policy
DELAY: Final = 500  # products
BATCH: Final = 64
CLIPPED: Final = 5.0  # largest weight of the run that must fail
STEPS: Final = 40_000  # of the table of bounds
KEPT: Final = 12  # batches whose coins are remembered
RHO: Final = tuned(FIRST_GUESS, ALPHA / 4)
Doubles = NDArray[np.float64]
Rule = Callable[["Served", int, list[NDArray[np.bool_]]], Iterator[tuple[int, int, Doubles]]]


@dataclass(frozen=True)
class Served:
    """What a model said of a stream while it learnt: (n, K) each, but for the chances' terms."""

    name: str
    floor: float
    scores: Doubles
    positive: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    disagreement: Doubles


def serve(feed: Path, outputs: Path, limit: int, floor: float) -> Served:
    """Go over a feed as the service would, and keep what it served."""
    data = divide(feed, outputs, seed=0, order="source", limit=limit)
    budget, policy = Budget(share=SHARE, floor=floor), POLICIES[POLICY]
    settings = LearnerSettings()
    learner = Learner(data.outputs, settings, seed=0)
    snapshot = learner.snapshot()
    waiting: deque[tuple[int, Lesson]] = deque()
    kept: list[tuple[Any, ...]] = []
    for start in range(0, len(data.stream), BATCH):
        products = data.stream[start : start + BATCH]
        view = View.of(featurise(products, bits=settings.bits), snapshot)
        disagreement = policy.disagreement(view)
        kept.append((view.scores, view.scores >= snapshot.thresholds, disagreement))
        chance = budget.chances_for(combine(disagreement)).product
        for i, p in enumerate(chance.tolist(), start=start):
            if draw(b"proof", data.name, f"products/0/{i}") < p:
                shape = len(data.outputs)
                lesson = Lesson(
                    query=str(i),
                    product=data.stream[i],
                    targets=data.answers[i].astype(np.float32),
                    chance=np.full(shape, p, np.float32),
                )
                waiting.append((i + DELAY, lesson))
        due = []
        while waiting and waiting[0][0] < start + BATCH:
            due.append(waiting.popleft()[1])
        if due:
            learner.update(learner.version + 1, due)
            snapshot = learner.snapshot()
    columns = [np.concatenate(column) for column in zip(*kept, strict=True)]
    return Served(
        data.name, floor, columns[0].astype(np.float64), columns[1], data.answers, columns[2].astype(np.float64)
    )


@dataclass
class Replays:
    """Many replays of one stream side by side: (2, K, runs), decided positive first, decided negative second."""

    off: Doubles  # estimate minus truth
    variance: Doubles
    design: Doubles  # the variance as the draws alone make it
    expected: Doubles  # (2, K) the variance of `off`, exactly, as the chances make it
    yes: Doubles
    no: Doubles
    missed: NDArray[np.bool_]  # the truth was outside the bounds after some arrival
    peeked: NDArray[np.bool_]  # it was outside a normal interval after some arrival
    labels: Doubles  # (runs,)


def by_product(served: Served, runs: int, asked: list[NDArray[np.bool_]]) -> Iterator[tuple[int, int, Doubles]]:
    """Chances (batch, 1, runs) of each batch; they depend on the coins in `asked`, which grows by one per batch."""
    outputs = served.scores.shape[1]
    scale, errors = np.ones(runs), np.ones((outputs, runs))
    answers = np.full(runs, 20.0)
    for number, (start, stop) in enumerate(batches(served)):
        for old, coins in late(number, asked):
            # Outputs that were found wrong more often count for more.
            errors += wrong(served, old).T @ coins[:, 0]
            answers += coins[:, 0].sum(axis=0)
        importance = errors / answers
        strength = np.sqrt(served.disagreement[start:stop] ** 2 @ importance / importance.sum(axis=0))
        yield start, stop, rise(served.floor, scale, strength)[:, None]
        scale *= np.exp(0.2 * (SHARE - asked[number].mean(axis=(0, 1))) / SHARE)


def by_output(served: Served, runs: int, asked: list[NDArray[np.bool_]]) -> Iterator[tuple[int, int, Doubles]]:
    """Chances (batch, K, runs): outputs asked one by one, each at the same share of all arrivals."""
    scale = np.ones((served.scores.shape[1], runs))
    for number, (start, stop) in enumerate(batches(served)):
        strength = served.disagreement[start:stop, :, None]
        yield start, stop, rise(served.floor, scale, strength)
        spent = asked[number].mean(axis=0)
        scale = np.clip(scale * np.exp(0.2 * (SHARE - spent) / SHARE), 1e-4, 1e4)


def uniform(served: Served, runs: int, asked: list[NDArray[np.bool_]]) -> Iterator[tuple[int, int, Doubles]]:
    """The same chance for all, by product."""
    del asked
    for start, stop in batches(served):
        yield start, stop, np.full((stop - start, 1, runs), SHARE)


def batches(served: Served) -> Iterator[tuple[int, int]]:
    n = len(served.scores)
    return ((start, min(n, start + BATCH)) for start in range(0, n, BATCH))


def late(number: int, asked: list[NDArray[np.bool_]]) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """The batch whose answers are in just now, if there is one."""
    old = number + DELAY // -BATCH - 1
    if old >= 0:
        yield old, asked[old]


def wrong(served: Served, batch: int) -> Doubles:
    rows = slice(batch * BATCH, (batch + 1) * BATCH)
    return (served.truth[rows] != served.positive[rows]).astype(np.float64)


def replay(
    served: Served,
    runs: int,
    seed: int,
    *,
    rule: Rule = by_product,
    clipped: float | None = None,
    scored: bool = True,
    watched: bool = True,
) -> Replays:
    """Throw the coins of `runs` replays; `scored=False` estimates without the score as baseline."""
    outputs = served.scores.shape[1]
    random = np.random.default_rng(seed)
    zeros = np.zeros((2, outputs, runs))
    found = Replays(
        off=zeros.copy(), variance=zeros.copy(), design=zeros.copy(), expected=zeros[:, :, 0].copy(), yes=zeros.copy(),
        no=zeros.copy(), missed=zeros > 1, peeked=zeros > 1, labels=np.zeros(runs),
    )  # fmt: skip
    tables, step = bounds_table(1.0 / (SHARE if rule is uniform else served.floor))
    asked: list[NDArray[np.bool_]] = []
    for start, stop, p in rule(served, runs, asked):
        coins = random.random((stop - start, 1, runs)) < p  # one draw per arrival, so that outputs nest
        asked.append(coins)
        if len(asked) > KEPT:
            asked[-KEPT - 1] = np.zeros((0, 1, runs), np.bool_)
        found.labels += coins.mean(axis=1).sum(axis=0)
        for i in range(start, stop):
            weight = np.where(coins[i - start], 1.0 / p[i - start], 0.0)
            weight = weight if clipped is None else np.minimum(weight, clipped)
            truth = served.truth[i].astype(np.float64)
            error = truth - served.scores[i] if scored else truth
            odds = np.broadcast_to((1.0 / p[i - start] - 1.0).mean(axis=1), (outputs,))
            for side, rows in enumerate((np.flatnonzero(served.positive[i]), np.flatnonzero(~served.positive[i]))):
                if not len(rows):
                    continue
                some, own = error[rows, None], weight if len(weight) == 1 else weight[rows]
                coin = coins[i - start] if len(weight) == 1 else coins[i - start][rows]
                found.off[side, rows] += some * (own - 1.0)
                found.expected[side, rows] += error[rows] ** 2 * odds[rows]
                found.variance[side, rows] += some**2 * own**2
                found.yes[side, rows] += truth[rows, None] * coin
                found.no[side, rows] += (1.0 - truth[rows, None]) * coin
                if watched:
                    found.design[side, rows] += some**2 * own * np.maximum(own - 1.0, 0.0)
                    off = np.abs(found.off[side, rows])
                    place = np.minimum(
                        (np.sqrt(found.variance[side, rows]) / step).astype(np.int64), tables.shape[1] - 1
                    )
                    found.missed[side, rows] |= off > tables[side, place]
                    if i >= 1_000:
                        found.peeked[side, rows] |= off > 1.96 * np.sqrt(found.design[side, rows])
    return found


def bounds_table(reach: float, step: float = 0.05) -> tuple[Doubles, float]:
    """Bounds at steps of the root of the variance; looking up the step below makes them a little too narrow."""
    variance = (np.arange(STEPS) * step) ** 2
    return bound(variance, reach, RHO[:, None], ALPHA / 4), step


def figures(served: Served, found: Replays, reach: float) -> Figures:
    """Figures of every output and replay (K, runs) at the end."""
    positives = served.positive.sum(axis=0)[:, None].astype(np.float64) + 0.0 * found.labels
    totals = (positives, len(served.scores) - positives)
    sides = []
    for side, hits in enumerate((true_positives(served), false_negatives(served))):
        estimate = hits[:, None] + found.off[side]
        wide = bound(found.variance[side], reach, RHO[side], ALPHA / 4)
        within = (found.yes[side], totals[side] - found.no[side])
        sides.append(Interval(estimate, np.clip(estimate - wide, *within), np.clip(estimate + wide, *within)))
    return figures_of(sides[0], sides[1], positives, np.full(positives.shape, float(len(served.scores))))


def true_positives(served: Served) -> Doubles:
    return (served.truth & served.positive).sum(axis=0).astype(np.float64)


def false_negatives(served: Served) -> Doubles:
    return (served.truth & ~served.positive).sum(axis=0).astype(np.float64)


def f1(served: Served) -> Doubles:
    hits = true_positives(served)
    return 2 * hits / np.maximum(1.0, served.positive.sum(axis=0) + hits + false_negatives(served))


def sampled_f1(found: Replays) -> Doubles:
    """F1 counted in the labelled sample itself, as with labels asked for uniformly and no scores."""
    hits, false_alarms, misses = found.yes[0], found.no[0], found.yes[1]
    return 2 * hits / np.maximum(1.0, 2 * hits + false_alarms + misses)


def judge(served: Served, runs: int) -> dict[str, Any]:
    """All figures of one feed."""
    started = time.perf_counter()
    ours = replay(served, runs, 1)
    plain = replay(served, runs, 2, rule=uniform, scored=False, watched=False)
    based = replay(served, runs, 4, rule=uniform, watched=False)
    single = replay(served, runs, 5, rule=by_output)
    clipped = replay(served, runs, 3, clipped=CLIPPED)
    prevalence = served.truth.mean(axis=0)
    enough = served.truth.sum(axis=0) >= 20
    classes = {
        "common (5 % or more)": enough & (prevalence >= 0.05),
        "medium (1 to 5 %)": enough & (prevalence >= 0.01) & (prevalence < 0.05),
        "rare (below 1 %)": enough & (prevalence < 0.01),
    }
    labels = float(ours.labels.mean())
    wide = figures(served, ours, 1.0 / served.floor)
    wide_single = figures(served, single, 1.0 / served.floor)
    uniform_f1 = (figures(served, plain, 1.0 / SHARE).f1, figures(served, based, 1.0 / SHARE).f1)
    spread, spread_plain = wide.f1.estimate.std(axis=1), sampled_f1(plain).std(axis=1)
    spread_single = wide_single.f1.estimate.std(axis=1) * np.sqrt(float(single.labels.mean()) / labels)
    spread_based = uniform_f1[1].estimate.std(axis=1)
    report: dict[str, Any] = {
        "feed": served.name, "floor": served.floor, "policy": POLICY, "share": SHARE,
        "arrivals": len(served.scores), "outputs": len(prevalence), "runs": runs,
        "labels": round(labels, 1), "labels_uniform": round(float(plain.labels.mean()), 1), "classes": {},
    }  # fmt: skip
    for name, chosen in classes.items():
        if not chosen.any():
            continue
        # An output that is never decided positive has no spread to compare.
        compared = chosen & (f1(served) > 0.05) & (spread > 0)
        report["classes"][name] = {
            "outputs": int(chosen.sum()),
            "covered": covered(ours.missed, chosen),
            "covered_least": covered(ours.missed, chosen, least=True),
            "errors": errors(ours, chosen),
            "clipped": {"covered": covered(clipped.missed, chosen), "errors": errors(clipped, chosen)},
            "peeking": {"covered": covered(ours.peeked, chosen)},
            "half_width": {
                figure: _half(each, compared)
                for figure, each in (("precision", wide.precision), ("recall", wide.recall), ("f1", wide.f1))
            },
            "half_width_f1_uniform": [_half(each, compared) for each in uniform_f1],
            "compared": int(compared.sum()),
            "f1_spread": _median(spread[compared]),
            "f1_spread_uniform": _median(spread_plain[compared]),
            "labels_for_5_points": _median(labels * (1.96 * spread[compared] / 0.05) ** 2, 0),
            "labels_for_5_points_uniform": _median(labels * (1.96 * spread_plain[compared] / 0.05) ** 2, 0),
            "by_output": {
                "covered": covered(single.missed, chosen),
                "errors": errors(single, chosen),
                "half_width_f1": _half(wide_single.f1, compared),
                "times_fewer": _median((spread_plain[compared] / spread_single[compared]) ** 2, 2),
            },
            "times_fewer_uniform_with_scores": _median((spread_plain[compared] / spread_based[compared]) ** 2, 2),
            "times_fewer": _median((spread_plain[compared] / spread[compared]) ** 2, 2),
        }
    report["seconds"] = round(time.perf_counter() - started, 1)
    return report


def covered(missed: NDArray[np.bool_], chosen: NDArray[np.bool_], *, least: bool = False) -> float:
    """Share of replays in which both truths of an output were within their bounds after every arrival."""
    share = 1.0 - missed.any(axis=0)[chosen].mean(axis=1)
    return round(float(share.min() if least else share.mean()), 4)


def errors(found: Replays, chosen: NDArray[np.bool_]) -> dict[str, float]:
    """Mean errors of both sums, in standard errors of that mean: about 1 as root mean square where there is no bias.

    The standard error is the exact one: that of the replays is small just where a rare surprise never came.
    """
    deviation = np.sqrt(found.expected[:, chosen])
    some = deviation > 0
    z = found.off[:, chosen].mean(axis=2)[some] / (deviation[some] / np.sqrt(found.off.shape[2]))
    return {
        "root_mean_square": round(float(np.sqrt((z**2).mean())), 2),
        "within_2": round(float((np.abs(z) <= 2).mean()), 3),
        "largest": round(float(np.abs(z).max()), 2),
    }


def _half(interval: Interval, chosen: NDArray[np.bool_]) -> float | None:
    return _median((interval.upper - interval.lower)[chosen] / 2)


def _median(values: Doubles, digits: int = 4) -> float | None:
    return round(float(np.median(values)), digits) if len(values) else None


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
    begin, end = f"<!-- floor {arguments.floor:g}: begin -->", f"<!-- floor {arguments.floor:g}: end -->"
    before, rest = arguments.page.read_text().split(begin)
    arguments.page.write_text(f"{before}{begin}\n{table(reports)}\n{end}{rest.split(end)[1]}")


def table(reports: list[dict[str, Any]]) -> str:
    """The table of the page."""
    columns = (
        "feed", "outputs", "covered", "mean error", "clipped: covered", "mean error", "peeking: covered",
        "half-width P", "R", "F1", "F1 to ±0.05: labels", "uniformly", "times fewer", "by output",
    )  # fmt: skip
    lines = ["| " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * (len(columns) - 2)]
    for report in reports:
        for kind, found in report["classes"].items():
            half, clipped = found["half_width"], found["clipped"]
            needed = [found["labels_for_5_points"], found["labels_for_5_points_uniform"]]
            cells = [
                report["feed"],
                f"{found['outputs']} {kind}",
                f"{100 * found['covered']:.2f} %",
                f"{found['errors']['root_mean_square']:.2f}",
                f"{100 * clipped['covered']:.1f} %",
                f"{clipped['errors']['root_mean_square']:.1f}",
                f"{100 * found['peeking']['covered']:.1f} %",
                *("" if half[name] is None else f"{half[name]:.2f}" for name in ("precision", "recall", "f1")),
                *("" if labels is None else f"{labels:,.0f}" for labels in needed),
                *(
                    "" if times is None else f"{times:.1f}"
                    for times in (found["times_fewer"], found["by_output"]["times_fewer"])
                ),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
