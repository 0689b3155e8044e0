"""Which policy proves F1 with the fewest labels: its chances on a served stream, and the best that chances could do.

What an estimate varies by follows from the chances exactly, so no coin need be thrown. To first order the estimate of
an F1 has the variance `sum (1/p - 1) (y - q)^2 c^2` over arrivals, with c the slope of F1 in the count that the arrival
belongs to. F1 counted in labels asked for uniformly, without scores, has that of its linearised ratio. How far that is
from what coins do, with an estimate kept within what is possible, is checked by throwing some for one policy.
"""

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from proof_figures import classes
from proof_served import SHARE, Doubles, Served, f1

from models.chance import Budget, combine

Unit = Literal["product", "output"]
UNITS: Final[tuple[Unit, ...]] = ("product", "output")
WANTED: Final = 4.0  # times fewer labels
BINS, FEWEST = 20, 50  # of like scores, to tell how wrong they are; arrivals in each at least
RUNS: Final = 200  # of coins
STRETCH: Final = 1_000  # arrivals over which budgets are held
HALVINGS: Final = 60


def compare(served: Served) -> dict[str, Any]:
    """How many times fewer labels every policy needs than uniform asking, output by output; medians of each class."""
    steps = errors(served) ** 2
    plain = uniform_variance(served)
    even = np.full((len(steps), 1), SHARE)
    report: dict[str, Any] = {
        "feed": served.name, "floor": served.floor, "share": SHARE, "arrivals": len(steps),
        "policies": list(served.others), "classes": {},
    }  # fmt: skip
    found = {"uniform": times_fewer(even, steps, plain), "neyman": neyman(served)}
    shown, shares = {}, {}
    for unit in UNITS:
        chances = {name: chances_of(said, unit, served.floor) for name, said in served.others.items()}
        if len(chances) > 1:
            chances["even parts"] = np.mean(list(chances.values()), axis=0)
        chances["best"] = best(served, unit)
        for name, chance in chances.items():
            found[f"{unit}: {name}"] = times_fewer(chance, steps, plain)
            shown[f"{unit}: {name}"] = round(float(chance.max(axis=1).mean()), 3)
            shares[f"{unit}: {name}"] = np.broadcast_to(chance.mean(axis=0), plain.shape)
        if unit == "output":
            *_, last = served.others
            found["drawn"] = times_fewer_drawn(served, chances[last], RUNS)
    report["products_shown"] = shown
    for kind, chosen in classes(served).items():
        compared = chosen & (f1(served) > 0.05)
        if compared.any():
            report["classes"][kind] = {
                "outputs": int(compared.sum()),
                "times_fewer": {name: round(float(np.median(each[compared])), 2) for name, each in found.items()},
                "reached": {name: int((each[compared] >= WANTED).sum()) for name, each in found.items()},
                "share": {name: round(float(each[compared].mean()), 3) for name, each in shares.items()},
            }
    return report


def errors(served: Served) -> Doubles:
    """What each arrival adds to the error of F1 where it is left out (n, K), to first order."""
    return (served.truth - served.scores) * slopes(served)


def slopes(served: Served) -> Doubles:
    """How F1 moves with one more true positive where decided positive, and one more missed elsewhere (n, K)."""
    counted = served.positive.sum(axis=0) + served.truth.sum(axis=0)
    moved = np.where(served.positive, 2.0 - f1(served), -f1(served))
    return moved / np.maximum(1, counted)


def uniform_variance(served: Served) -> Doubles:
    """The same squared and summed for F1 as it is counted in a sample, without scores (K,)."""
    counted = served.positive.astype(np.float64) + served.truth
    off = 2.0 * (served.truth & served.positive) - f1(served) * counted
    squares: Doubles = (off**2).sum(axis=0) / np.maximum(1.0, counted.sum(axis=0)) ** 2
    return squares


def times_fewer(chance: Doubles, squares: Doubles, plain: Doubles) -> Doubles:
    """Variance of as many answers asked for uniformly, without scores, over the variance these chances leave (K,)."""
    share = chance.mean(axis=0)
    left = ((1.0 / chance - 1.0) * squares).sum(axis=0)
    return (1.0 / share - 1.0) * plain / np.maximum(left, 1e-12)


def times_fewer_drawn(served: Served, chance: Doubles, runs: int) -> Doubles:
    """The same by coins thrown, and estimates kept within what the answers leave possible (K,)."""
    random = np.random.default_rng(0)
    uniform = np.full((len(chance), 1), SHARE)
    plain, ours = (
        np.var([drawn(served, random.random((len(chance), 1)) < p, weights) for _ in range(runs)], axis=0)
        for p, weights in ((uniform, None), (chance, 1.0 / chance))
    )
    odds: Doubles = (1.0 / chance.mean(axis=0) - 1.0) / (1.0 / SHARE - 1.0)
    return odds * plain / np.maximum(ours, 1e-12)


def drawn(served: Served, asked: NDArray[np.bool_], weights: Doubles | None) -> Doubles:
    """F1 (K,) estimated from the arrivals asked about: with weights and scores, or counted in them where None."""
    known = []
    for side in (served.positive, ~served.positive):
        yes = (served.truth & side & asked).sum(axis=0).astype(np.float64)
        if weights is not None:
            no = (~served.truth & side & asked).sum(axis=0)
            errors = np.where(side, served.truth - served.scores, 0.0)
            estimate = (np.where(side, served.scores, 0.0) + np.where(asked, weights * errors, 0.0)).sum(axis=0)
            yes = np.clip(estimate, yes, side.sum(axis=0) - no)
        known.append(yes)
    hits, misses = known
    positives = (served.positive if weights is not None else served.positive & asked).sum(axis=0)
    return 2.0 * hits / np.maximum(1.0, positives + hits + misses)


def chances_of(disagreement: Doubles, unit: Unit, floor: float) -> Doubles:
    """The chances that the service would have made: (n, 1) of whole products, or (n, K)."""
    single = disagreement if unit == "output" else None
    chances = Budget(share=SHARE, floor=floor).chances_for(combine(disagreement), single)
    return chances.product[:, None] if chances.outputs is None else chances.outputs


def best(served: Served, unit: Unit) -> Doubles:
    """The chances that leave the least variance, known afterwards, with the mean SHARE in every stretch (Neyman).

    Of one coin for whole products, those that leave the least sum of variances, each relative to uniform asking's.
    """
    doubt = like(served)
    if unit == "product":
        doubt = (doubt / np.maximum(doubt.sum(axis=0), 1e-12)).sum(axis=1, keepdims=True)
    parts = np.array_split(np.sqrt(doubt), max(1, len(doubt) // STRETCH))
    return np.concatenate([filled(part) for part in parts])


def neyman(served: Served) -> Doubles:
    """`E[v] / (E[sqrt v])^2` (K,): times fewer labels by the choice of chances alone, where few are asked about."""
    doubt = like(served)
    return doubt.mean(axis=0) / np.maximum(np.sqrt(doubt).mean(axis=0) ** 2, 1e-12)


def like(served: Served) -> Doubles:
    """Mean squared errors of F1's terms among arrivals with like scores (n, K): what a chance could know at best."""
    squares, means = errors(served) ** 2, np.zeros(served.scores.shape)
    for k in range(means.shape[1]):
        for side in (served.positive[:, k], ~served.positive[:, k]):
            rows = np.flatnonzero(side)
            order = rows[np.argsort(served.scores[rows, k], kind="stable")]
            for part in np.array_split(order, min(BINS, max(1, len(order) // FEWEST))):
                means[part, k] = squares[part, k].mean() if len(part) else 0.0
    return means


def filled(strength: Doubles) -> Doubles:
    """Chances in proportion to the strength (n, columns), none above one, each column with the mean SHARE."""
    widest = np.full(strength.shape[1], 12.0 * np.log(10.0))
    low, high = -widest, widest  # logarithms of what the strength is multiplied by
    strength = np.maximum(strength / np.maximum(strength.max(axis=0), 1e-30), 1e-9)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        above = np.minimum(1.0, strength * np.exp(middle)).mean(axis=0) > SHARE
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.minimum(1.0, strength * np.exp(low))
