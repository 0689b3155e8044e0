"""Which row of the tables a feature has: rows are given out as features are first learnt from, and never run out."""

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.compiled import compiled
from models.features import Features
from models.state import State, array, tensor

Number = TypeVar("Number", bound=np.generic)
Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

_FIRST_ROWS: Final = 1024
_NOTHING: Final = 1e-12  # squared length of a product without any features


class Directory:
    """Feature ids to row numbers, at most `limit` rows; when they run out the longest untouched are given anew.

    The array `places` is replaced, not changed, when rows change hands, and otherwise only gains rows: a reader that
    kept it together with the number of rows of that moment, and takes higher ones as absent, sees it unchanged.
    """

    def __init__(self, *, bits: int, limit: int, rarity: bool = True) -> None:
        self.bits, self.limit, self.by_rarity = bits, limit, rarity
        self.places = np.full(1 << bits, -1, np.int32)
        self.ids = np.zeros(_FIRST_ROWS, np.int64)
        self.touched = np.zeros(_FIRST_ROWS, np.int64)
        self.seen = np.zeros(_FIRST_ROWS, np.float32)  # answered products that had the feature
        self.count = 0

    def find(self, ids: Rows) -> Rows:
        """The row of each feature, -1 where it has none."""
        return self.places[ids].astype(np.int64)

    def admit(self, ids: Rows, number: int) -> tuple[Rows, Rows]:
        """Give every feature a row and mark all as touched by batch `number`.

        Returns:
            the rows, and those of them that are new or belonged to another feature before: their columns must be reset.

        """
        unique = np.unique(ids)[: self.limit]
        rows = self.find(unique)
        self.touched[rows[rows >= 0]] = number
        missing = unique[rows < 0]
        fresh = self._free(len(missing))
        self.ids[fresh], self.touched[fresh], self.seen[fresh] = missing, number, 0.0
        self.places[missing] = fresh
        return self.find(ids), fresh

    def _free(self, wanted: int) -> Rows:
        grown = np.arange(self.count, min(self.limit, self.count + wanted))
        self.count += len(grown)
        if self.count > len(self.ids):
            size = min(self.limit, max(self.count, 2 * len(self.ids)))
            self.ids, self.touched = extend(self.ids, size), extend(self.touched, size)
            self.seen = extend(self.seen, size)
        lacking = wanted - len(grown)
        if not lacking:
            return grown
        # Rows just touched or just given out are the last to go; ties go by row number.
        self.touched[grown] = np.iinfo(np.int64).max
        evicted = np.argsort(self.touched[: self.count], kind="stable")[:lacking]
        places = self.places.copy()
        places[self.ids[evicted]] = -1
        self.places = places
        return np.concatenate((grown, evicted))

    def state(self) -> State:
        """The rows in use."""
        return {
            "ids": tensor(self.ids[: self.count]),
            "touched": tensor(self.touched[: self.count]),
            "seen": tensor(self.seen[: self.count]),
        }

    def restore(self, state: State) -> None:
        """Become the directory whose state this is."""
        self.count = len(state["ids"])
        size = max(_FIRST_ROWS, self.count)
        self.ids = extend(array(state["ids"]).astype(np.int64), size)
        self.touched = extend(array(state["touched"]).astype(np.int64), size)
        self.seen = extend(array(state["seen"]).astype(np.float32), size)
        self.places = np.full(1 << self.bits, -1, np.int32)
        self.places[self.ids[: self.count]] = np.arange(self.count, dtype=np.int32)

    def rarity(self, answered: float) -> tuple[Floats, float]:
        """Weights by rarity of all rows, and of a feature without a row; all one where rarity does not count."""
        return weights_by_rarity(self.seen[: self.count], answered if self.by_rarity else None)


def weights_by_rarity(seen: Floats, answered: float | None) -> tuple[Floats, float]:
    """Weights by rarity (inverse document frequency) of features, and of one never seen.

    Args:
        seen: (rows,) answered products that have the feature.
        answered: products in all; None gives all features the weight one.

    """
    if answered is None:
        return np.ones(len(seen), np.float32), 1.0
    top = np.log1p(answered)
    weights = 1.0 + top - np.log1p(seen.astype(np.float64))
    return np.maximum(weights, 0.1).astype(np.float32), float(1.0 + top)


def ranked(rows: Rows, count: int) -> tuple[Rows, Rows]:
    """The distinct ones of `rows`, which are below `count`, in their order, and where each of `rows` is among them.

    As `np.unique` says, without sorting.
    """
    there = np.zeros(count, np.bool_)
    there[rows] = True
    distinct = np.flatnonzero(there)
    places = np.empty(count, np.int64)  # read only where written
    places[distinct] = np.arange(len(distinct))
    return distinct, places.take(rows)


def extend(column: NDArray[Number], size: int) -> NDArray[Number]:
    """The same rows in a longer array, the rest zero."""
    longer = np.zeros((size, *column.shape[1:]), column.dtype)
    longer[: len(column)] = column
    return longer


@dataclass(frozen=True, slots=True)
class Bag:
    """Products as weighted rows of the tables; features without a row are left out but count in the length.

    `values` weighs rarity once and `twice` twice.
    """

    rows: Rows
    values: Floats
    twice: Floats
    offsets: NDArray[np.int64]
    everything: Floats  # values of all features, with or without a row, in the order of the features given
    lengths: Floats  # of each product before it was divided by it

    def matrix(self, values: Floats, columns: Rows, width: int) -> csr_array:
        """The products as a sparse matrix, each feature in the column given for it."""
        return csr_array((values, columns, self.offsets), shape=(len(self.offsets) - 1, width))

    def sums(self, values: Floats, rows: Rows, table: Floats) -> Floats:
        """Rows of a table summed for each product (n, width), each feature's row times its value."""
        sums = np.zeros((len(self.offsets) - 1, table.shape[1]), np.float32)
        _sum(values, rows, self.offsets, table, sums)
        return sums


@compiled("f4[]", "i8[]", "i8[]", "f4[,]", "f4[,]=")
def _sum(values: Floats, rows: Rows, offsets: Rows, table: Floats, sums: Floats) -> None:
    for product in range(len(sums)):
        at, end, total = offsets[product], offsets[product + 1], sums[product]
        # Four at a time, in the same order, so that what is summed goes to memory and back less often.
        while at + 4 <= end:
            a, b, c, d = values[at], values[at + 1], values[at + 2], values[at + 3]
            first, second = table[rows[at]], table[rows[at + 1]]
            third, fourth = table[rows[at + 2]], table[rows[at + 3]]
            for k in range(len(total)):
                total[k] = (((total[k] + a * first[k]) + b * second[k]) + c * third[k]) + d * fourth[k]
            at += 4
        while at < end:
            value, row = values[at], table[rows[at]]
            for k in range(len(total)):
                total[k] += value * row[k]
            at += 1


def weigh(features: Features, places: NDArray[np.int32], rarity: Floats, absent: float) -> Bag:
    """Look the features up and weigh them by rarity so that each product, unknown features included, has length one."""
    size, n = len(features.ids), len(features)
    rows, offsets = np.empty(size, np.int64), np.zeros(n + 1, np.int64)
    (values, twice, everything), lengths = np.empty((3, size), np.float32), np.empty(n, np.float32)
    known = _weigh(
        features.ids, features.values, features.offsets, places, rarity, absent,
        rows, values, twice, offsets, everything, lengths,
    )  # fmt: skip
    return Bag(rows[:known], values[:known], twice[:known], offsets, everything, lengths)


@compiled("i8[]", "f4[]", "i8[]", "i4[]", "f4[]", "f4", "i8[]=", "f4[]=", "f4[]=", "i8[]=", "f4[]=", "f4[]=")
def _weigh(
    ids: Rows, given: Floats, ends: Rows, places: NDArray[np.int32], rarity: Floats, absent: float,
    rows: Rows, values: Floats, twice: Floats, offsets: Rows, everything: Floats, lengths: Floats,
) -> int:  # fmt: skip
    """Write what `Bag` holds; returns how many features have a row."""
    known = 0
    for product in range(len(lengths)):
        squares = 0.0
        for at in range(ends[product], ends[product + 1]):
            if ids[at] >= len(places):
                raise IndexError("a feature beyond those that this model reads")  # nothing else would notice
            row = places[ids[at]]
            weight = rarity[row] if 0 <= row < len(rarity) else absent
            everything[at] = given[at] * weight
            squares += np.float64(everything[at]) * np.float64(everything[at])
        length = np.float32(np.sqrt(squares)) if squares > _NOTHING else np.float32(1.0)
        for at in range(ends[product], ends[product + 1]):
            everything[at] /= length
            row = places[ids[at]]
            if 0 <= row < len(rarity):
                rows[known], values[known], twice[known] = row, everything[at], everything[at] * rarity[row]
                known += 1
        offsets[product + 1], lengths[product] = known, length
    return known
