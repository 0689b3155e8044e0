"""What a doubling of the labels brought: estimate and bounds against what really happened; on docs/proof.md.

    python benchmarks/gains.py DATA [--feeds NAME ...] [--floors 0.02 0.05] [--limit N] [--page FILE]

One pass over each feed at each floor, as in proof.py; its coins are thrown once, and what was answered is summed up in
stretches as the ledger does. The row is of the last doubling that is over. Truth is known, so its gain is too, and that
of what came next. The last column repeats the last two stretches as often as it takes.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from kept import feeds_of
from numpy.typing import NDArray
from proof_page import heading, put
from proof_served import SHARE, Doubles, Served, serve

from models.chance import Budget, combine, draw
from models.estimates import guesses
from models.gains import PER, avoided
from models.messages import OutputTally
from models.sums import Sums, nothing, of_answers, of_arrivals
from service.epochs import Epoch
from service.report import ALPHA
from service.stopping import doublings
from service.stretches import Stretch, stretch_at

COMMON: Final = 0.05
NARROW: Final = 10.0  # mistakes per 1,000 arrivals
MOST: Final = 40  # doublings that are looked ahead
COLUMNS: Final = (
    "feed", "floor", "labels", "outputs", "mistakes", "gain", "estimate", "lower", "upper", "least upper",
    "upper, an output by itself", "inside", "gain afterwards", "labels to within 10",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--feeds", nargs="+")
    parser.add_argument("--floors", nargs="+", type=float, default=[0.02, 0.05], help="least chances of asking")
    parser.add_argument("--limit", type=int, default=20_000)
    parser.add_argument("--page", type=Path, default=Path("docs/proof.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = heading(COLUMNS)
    for feed in feeds_of(arguments.data, arguments.feeds):
        paths = arguments.data / f"{feed}.jsonl.gz", arguments.data / f"{feed}.outputs.json"
        for floor in arguments.floors:
            for cells in rows(serve(*paths, arguments.limit, floor)):
                lines.append("| " + " | ".join(cells) + " |")
                print(lines[-1], file=sys.stderr, flush=True)
    put(arguments.page, "gains", "\n".join(lines))


def rows(served: Served) -> Iterator[list[str]]:
    """The cells of one pass: its common outputs, and the others; none if it is too short for a doubling."""
    n, outputs = served.truth.shape
    chance = chances(served)
    parts, asked = stretches(served, chance), ~np.isnan(chance)
    total = sum((part.sums for part in parts), nothing(outputs))
    names = tuple(map(str, range(outputs)))
    epoch = Epoch(1, "", 0.0, names, guesses(nothing(outputs)), served.floor, n, int(asked.sum()), 0, total)
    over = doublings(epoch, parts)
    if not over:
        return
    last, alone = over[-1], doublings(epoch, parts, ALPHA * outputs)[-1]
    second = len(over) + 1
    mistakes = [PER * wrong.mean(axis=0) for wrong in _stretches_of(served.truth != served.positive)]
    gain, afterwards = (
        mistakes[second - 1] - mistakes[second],
        [mistakes[second] - one for one in mistakes[second + 1 :]],
    )
    inside = (last.avoided.lower <= gain) & (gain <= last.avoided.upper)
    labels = int(asked[: last.arrivals].sum())
    common = served.truth.mean(axis=0) >= COMMON
    for kind, chosen in (("common", common), ("others", ~common)):
        if chosen.any():
            figures = (
                mistakes[second], gain, last.avoided.estimate, last.avoided.lower, last.avoided.upper,
                np.full(outputs, last.avoided.upper[chosen].min()), alone.avoided.upper,
            )  # fmt: skip
            yield [
                served.name,
                f"{served.floor:g}",
                f"{labels:,}",
                f"{chosen.sum()} {kind}",
                *(_middle(one[chosen]) for one in figures),
                f"{inside[chosen].sum()} of {chosen.sum()}",
                "".join(_middle(one[chosen]) for one in afterwards),
                ahead(parts[: second + 1], served.floor, chosen, labels),
            ]


def _middle(values: Doubles) -> str:
    return str(round(float(np.median(values))))  # there is no -0 among whole numbers


def chances(served: Served) -> Doubles:
    """(n,) the chance of each arrival that was asked about, NaN of the others: by the coins that taught the model."""
    chance = Budget(share=SHARE, floor=served.floor).chances_for(combine(served.disagreement)).product
    draws = [draw(b"proof", served.name, f"products/0/{i}") for i in range(len(chance))]
    return np.where(np.array(draws) < chance, chance, np.nan)


def stretches(served: Served, chance: Doubles) -> list[Stretch]:
    """The sums of each stretch, had an arrival been asked about with this chance and answered, or not (NaN)."""
    names, parts = tuple(map(str, range(served.truth.shape[1]))), []
    columns = (served.scores, served.positive, served.truth.astype(np.float64), chance)
    for number, (scores, positive, truth, asked) in enumerate(zip(*map(_stretches_of, columns), strict=True)):
        masses = [np.where(side, scores, 0.0).sum(axis=0).tolist() for side in (positive, ~positive)]
        tallies = {
            name: OutputTally(positive=count, mass_positive=above, mass_negative=below)
            for name, count, above, below in zip(names, positive.sum(axis=0).tolist(), *masses, strict=True)
        }
        wide = np.broadcast_to(asked[:, None], truth.shape)
        sums = of_arrivals(len(truth), tallies, names) + of_answers(wide, scores, positive, truth)
        parts.append(Stretch(number, len(truth), sums))
    return parts


def _stretches_of(column: NDArray[Any]) -> list[NDArray[Any]]:
    ends = [i for i in range(1, len(column)) if stretch_at(i) != stretch_at(i - 1)]
    return np.split(column, ends)


def ahead(parts: list[Stretch], floor: float, chosen: NDArray[np.bool_], labels: int) -> str:
    """Labels until the median bound is so near to the estimate, if all goes on as in the last two stretches."""
    first, second = parts[-2:]
    past, outputs = sum((part.sums for part in parts[:-2]), nothing(len(chosen))), len(chosen)
    for times in range(MOST):
        alpha = ALPHA / ((first.number + times) * (second.number + times)) / outputs
        before, after, earlier = (Sums(one.exact << times) for one in (first.sums, second.sums, past))
        found = avoided(before, after, past=earlier, floor=floor, alpha=alpha)
        if np.median((found.upper - found.estimate)[chosen]) <= NARROW:
            return f"{labels << times:,}"
    return "more"


if __name__ == "__main__":
    main()
