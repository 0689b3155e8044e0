"""What is watched for drift of each arrival, as told by a model that stands still; no answers are needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.chance import combine
from models.compiled import compiled
from models.features import Features
from models.hashing import mix
from models.messages import Signals
from models.network import sketch
from models.policies import Iwal
from models.port import Serving
from models.snapshot import Snapshot
from models.table import Floats
from models.view import View

LOOK: Final = 16  # fixed random projections of the features: they depend on no model
BUSIEST: Final = 32  # outputs whose scores are watched
BLOCK: Final = 16  # arrivals whose mean is one value, at least
MOST: Final = 128  # arrivals of a batch that are measured, at most
_ROWS: Final = 64  # of one message, at most
MOST_TOLD: Final = _ROWS * 4 * (1 + LOOK + 2 + BUSIEST)  # bytes of one message, but for the names


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A snapshot that stands still and measures arrivals, so that its own learning moves nothing it tells.

    Scores of the model that serves change as it learns, whatever the feed does; those of one snapshot change only if
    the arrivals do. For arrivals that are alike and independent, every signal is a series of independent values of one
    distribution, which is what a detector of change takes for granted.
    """

    snapshot: Serving
    busiest: NDArray[np.int64]  # the outputs watched, by place

    @classmethod
    def of(cls, snapshot: Serving) -> "Yardstick":
        """Measure by this snapshot, its outputs of most positives."""
        return cls(snapshot, np.sort(np.argsort(-snapshot.prevalence, kind="stable")[:BUSIEST]))

    def worn(self, snapshot: Serving) -> bool:
        """Whether the model has come so far since that it should be measured by instead: four times the batches."""
        return snapshot.version >= 4 * max(1, self.snapshot.version)

    def measure(self, view: View) -> NDArray[np.float64]:
        """The signals of each arrival: (n, LOOK + 2 + outputs watched).

        Look (about -1 to 1), share of the features that are unknown, disagreement, scores; the last three in [0, 1].
        """
        if view.snapshot is not self.snapshot:
            view = View.of(view.features, self.snapshot)
        features, scores = view.features, view.scores[:, self.busiest]
        disputed = combine(Iwal().disagreement(view))
        look = sketch(features, features.values, LOOK).astype(np.float64)
        return np.column_stack((look, self._unknown(features), disputed, scores))

    def _unknown(self, features: Features) -> NDArray[np.float64]:
        if not isinstance(self.snapshot, Snapshot):
            return np.zeros(len(features))  # river's classifiers do not say what they know
        mass = np.zeros(len(features))
        known = len(self.snapshot.rarity)
        _add_unknown(features.ids, features.values, features.offsets, self.snapshot.places, known, mass)
        return mass

    def told(self, measured: NDArray[np.float64]) -> Signals:
        """What is measured of arrivals that follow each other, in blocks, as a part of a message of bounded size."""
        size = max(BLOCK, -(-len(measured) // _ROWS))
        firsts = np.arange(0, len(measured), size)
        counts = np.diff(np.append(firsts, len(measured)))
        rows = np.column_stack((counts, np.add.reduceat(measured, firsts, axis=0)))
        return Signals(
            yardstick=self.snapshot.version,
            outputs=[self.snapshot.outputs[k] for k in self.busiest],
            blocks=rows.astype("<f4").tobytes(),
        )


@compiled("i8[]", "f4[]", "i8[]", "i4[]", "i8", "f8[]=")
def _add_unknown(
    ids: NDArray[np.int64], values: Floats, offsets: NDArray[np.int64], places: NDArray[np.int32], known: int,
    mass: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add up the squared values of each product's features that have none of the first rows."""
    for product in range(len(mass)):
        for at in range(offsets[product], offsets[product + 1]):
            if not 0 <= places[ids[at]] < known:
                mass[product] += np.float64(values[at]) * np.float64(values[at])


def sample(arrivals: int) -> NDArray[np.int64]:
    """Which of so many arrivals of one batch are measured, ascending: all up to MOST, else one of every few."""
    step = max(1, -(-arrivals // MOST))
    firsts = np.arange(0, arrivals, step)
    # Scattered, lest they keep in step with partitions or merchants that come in turn.
    scattered = firsts + (mix(np.arange(len(firsts), dtype=np.uint64)) % np.uint64(step)).astype(np.int64)
    return np.minimum(scattered, arrivals - 1)


def blocks_of(signals: Signals) -> NDArray[np.float64]:
    """The blocks of a message: (blocks, 1 + signals), how many arrivals, then the sums over them; none if damaged."""
    width = 1 + len(names_of(signals.outputs))
    if len(signals.blocks) % (4 * width):
        return np.zeros((0, width))
    rows = np.frombuffer(signals.blocks, "<f4").reshape(-1, width).astype(np.float64)
    return rows[np.isfinite(rows).all(axis=1) & (rows[:, 0] >= 1.0)]


def names_of(outputs: Sequence[str]) -> list[str]:
    """What each signal is about, in their order."""
    return [*("look",) * LOOK, "unknown", "disagreement", *outputs]
