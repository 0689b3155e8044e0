"""What evaluation adds up, output by output: sums over all arrivals, and over the answers.

Every number is kept as a whole number of 2**-24, so that a sum does not depend on the order of its parts, and what was
added can be taken away without a trace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.messages import OutputTally

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Known of every arrival, asked about or not.
ARRIVALS: Final = ("arrivals", "positive", "mass_positive", "mass_negative")
# Known of what was asked, apart for arrivals decided positive and those decided negative.
SIDED: Final = (
    "correction",  # w (y - q) over the answers; w = 1/p, y the share of yes, q the score served
    "variance",  # its squares
    "yes",  # y over the answers
    "asked",
    "answered",
    "unanswered_weight",  # w over what was asked and is not answered
    "unanswered_mass",  # w q over the same
)
SIDES: Final = ("positive", "negative")
ANSWERS: Final = (*(f"{name}_{side}" for side in SIDES for name in SIDED), "weight", "weight_squared", "squared_error")
FIELDS: Final = (*ARRIVALS, *ANSWERS)
_ROW: Final = {name: row for row, name in enumerate(FIELDS)}
_UNIT: Final = 2.0**24
_LARGEST: Final = 2.0**56


@dataclass(frozen=True, slots=True)
class Sums:
    """Exact sums, one column per output; `sums.of(name)` are the numbers of one of the FIELDS."""

    exact: NDArray[np.int64]  # (fields, K), in units of 2**-24

    def of(self, name: str) -> Doubles:
        """One field as numbers (K,)."""
        numbers: Doubles = self.exact[_ROW[name]] / _UNIT
        return numbers

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.exact + other.exact)

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(self.exact - other.exact)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sums) and np.array_equal(self.exact, other.exact)

    __hash__ = None  # type: ignore[assignment]  # equal by value and holds an array

    def arrivals(self) -> "Sums":
        """The part that is known without any answer."""
        sums = nothing(self.exact.shape[1])
        sums.exact[: len(ARRIVALS)] = self.exact[: len(ARRIVALS)]
        return sums

    def columns(self, places: Sequence[int]) -> "Sums":
        """Some outputs, in another order; -1 stands for an output not there, whose sums are 0."""
        chosen = np.asarray(places, np.int64)
        return Sums(np.where(chosen >= 0, self.exact[:, chosen], 0) if self.exact.size else nothing(len(chosen)).exact)

    def pack(self) -> bytes:
        """As bytes; trailing fields without anything in them are left out."""
        used = np.flatnonzero(self.exact.any(axis=1))
        return self.exact[: used[-1] + 1 if len(used) else 0].astype("<i8").tobytes()


def nothing(outputs: int) -> Sums:
    """No arrivals and no answers."""
    return Sums(np.zeros((len(FIELDS), outputs), np.int64))


def unpack(data: bytes, outputs: int) -> Sums:
    """Undo `pack`."""
    sums = nothing(outputs)
    known = np.frombuffer(data, "<i8").reshape(-1, outputs) if outputs else sums.exact[:0]
    sums.exact[: len(known)] = known
    return sums


def of_arrivals(n: int, tallies: Mapping[str, OutputTally], outputs: Sequence[str]) -> Sums:
    """The part of n arrivals, from what was tallied when they were scored."""
    sums = nothing(len(outputs))
    each = [tallies[name] for name in outputs]
    sums.exact[: len(ARRIVALS)] = _whole(
        np.array(
            [
                np.full(len(each), n),
                [tally.positive for tally in each],
                [tally.mass_positive for tally in each],
                [tally.mass_negative for tally in each],
            ],
            np.float64,
        )
    )
    return sums


def of_answers(chance: Doubles, scores: Doubles, positive: Flags, shares: Doubles) -> Sums:
    """The part of n queries, each about K outputs; every argument is (n, K).

    Args:
        chance: p with which each output was asked about; NaN where it was not.
        scores: as served, before anybody had answered.
        positive: decided positive, then.
        shares: of yes among the answers; NaN where asked and not answered.

    """
    asked = ~np.isnan(chance)
    weight = np.where(asked, 1.0 / np.where(asked, chance, 1.0), 0.0)
    answered = asked & ~np.isnan(shares)
    share = np.where(answered, shares, 0.0)
    correction = np.where(answered, weight * (share - scores), 0.0)
    missing = asked & ~answered
    unanswered = np.where(missing, weight, 0.0)
    sided = np.stack((correction, correction**2, share, asked, answered, unanswered, unanswered * scores))
    known = np.where(answered, weight, 0.0)
    parts = [np.where(side, sided, 0.0) for side in (positive, ~positive)]
    parts.append(np.stack((known, known**2, known * (share - scores) ** 2)))
    sums = nothing(chance.shape[1])
    sums.exact[len(ARRIVALS) :] = _whole(np.concatenate(parts)).sum(axis=1)
    return sums


def _whole(values: Doubles) -> NDArray[np.int64]:
    # A part that large says that nothing is known; it must not wrap around.
    return np.rint(np.clip(values * _UNIT, -_LARGEST, _LARGEST)).astype(np.int64)
