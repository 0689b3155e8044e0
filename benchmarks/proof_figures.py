"""All figures of one feed: how often bounds held, how wide they were, and what uniform asking would have needed."""

import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from proof_replays import ALPHA, RHO, Replays, by_output, replay, uniform
from proof_served import POLICY, SHARE, Doubles, Served, f1, false_negatives, true_positives

from models.confidence import bound
from models.estimates import Figures, Interval
from models.estimates import combine as figures_of

CLIPPED: Final = 5.0  # largest weight of the run that must fail


def judge(served: Served, runs: int) -> dict[str, Any]:
    """All figures of one feed."""
    started = time.perf_counter()
    ours = replay(served, runs, 1)
    plain = replay(served, runs, 2, rule=uniform, scored=False, watched=False)
    based = replay(served, runs, 4, rule=uniform, watched=False)
    single = replay(served, runs, 5, rule=by_output)
    clipped = replay(served, runs, 3, clipped=CLIPPED)
    labels = float(ours.labels.mean())
    wide = figures(served, ours, 1.0 / served.floor)
    wide_single = figures(served, single, 1.0 / served.floor)
    uniform_f1 = (figures(served, plain, 1.0 / SHARE).f1, figures(served, based, 1.0 / SHARE).f1)
    spread, spread_plain = wide.f1.estimate.std(axis=1), sampled_f1(plain).std(axis=1)
    spread_single = wide_single.f1.estimate.std(axis=1) * np.sqrt(float(single.labels.mean()) / labels)
    spread_based = uniform_f1[1].estimate.std(axis=1)
    report: dict[str, Any] = {
        "feed": served.name, "floor": served.floor, "policy": POLICY, "share": SHARE,
        "arrivals": len(served.scores), "outputs": served.scores.shape[1], "runs": runs,
        "labels": round(labels, 1), "labels_uniform": round(float(plain.labels.mean()), 1), "classes": {},
    }  # fmt: skip
    for name, chosen in classes(served).items():
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


def classes(served: Served) -> dict[str, NDArray[np.bool_]]:
    """Outputs (K,) by how rare they are, those with 20 positives at least."""
    prevalence = served.truth.mean(axis=0)
    enough = served.truth.sum(axis=0) >= 20
    return {
        "common (5 % or more)": enough & (prevalence >= 0.05),
        "medium (1 to 5 %)": enough & (prevalence >= 0.01) & (prevalence < 0.05),
        "rare (below 1 %)": enough & (prevalence < 0.01),
    }


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


def sampled_f1(found: Replays) -> Doubles:
    """F1 counted in the labelled sample itself, as with labels asked for uniformly and no scores."""
    hits, false_alarms, misses = found.yes[0], found.no[0], found.yes[1]
    return 2 * hits / np.maximum(1.0, 2 * hits + false_alarms + misses)


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
