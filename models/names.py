"""What outputs are called, and how much of that a product says."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.compiled import compiled
from models.features import TITLE, Features, featurise
from models.messages import Product
from models.table import Floats, Rows

_UNITS: Final = 2.0**20  # weights are whole numbers of these, so that their sum does not depend on the order


def words_of(output: str) -> str:
    """The words of an output's name, after its field: `sports shoes` of `type:sports-shoes`."""
    return " ".join(re.split(r"[\W_]+", output.rpartition(":")[2])).strip()[:TITLE]


@lru_cache(maxsize=2)
def names_for(outputs: tuple[str, ...], bits: int) -> "Names":
    """The names of these outputs, the same for all models that have them, so that a product is looked at once."""
    return Names(outputs, bits=bits)


class Names:
    """The features of outputs' names, to find again in products; a function of the names alone, it never changes.

    A product that says what an output is called is likelier to be a yes, before anybody has answered anything
    (classification by the meaning of labels: Chang, Ratinov, Roth and Srikumar 2008; here by their letters).
    """

    def __init__(self, outputs: Sequence[str], *, bits: int) -> None:
        features = featurise([Product(id="name", title=words_of(output)) for output in outputs], bits=bits)
        ids, columns = np.unique(features.ids, return_inverse=True)
        values = features.values.astype(np.float64)
        units = np.rint(values * np.sqrt(values) * _UNITS)
        by_feature = csr_array((units, columns, features.offsets), shape=(len(outputs), len(ids))).T.tocsr()
        self._ends, self._outputs = by_feature.indptr.astype(np.int64), by_feature.indices.astype(np.int64)
        self._units = by_feature.data
        self._places = np.zeros(1 << bits, np.int32)  # of memory that is only touched where it counts
        self._places[ids] = np.arange(len(ids))
        known = np.zeros(1 << bits, np.bool_)
        known[ids] = True
        self._known = np.packbits(known, bitorder="little")
        self._whole = np.maximum(np.asarray(by_feature.sum(axis=0)), 1.0)

    def likeness(self, features: Features) -> Floats:
        """The share (n, K) of each name that each product says: from 0 to 1 for all of it.

        Features count by their weight to the power of 1.5, between the mild and the strong: words most, pairs of
        words less; beginnings, ends and middles of words, in titles and brands, make a plural like its singular.
        """
        if self not in features.kept:
            features.kept[self] = self._likeness(features)
        likeness: Floats = features.kept[self]
        return likeness

    def _likeness(self, features: Features) -> Floats:
        said = np.zeros((len(features), len(self._whole)))
        _say(
            features.ids, features.offsets, self._known, self._places, self._ends, self._outputs, self._units, said
        )  # fmt: skip
        likeness: Floats = (said / self._whole).astype(np.float32)
        return likeness


@compiled("i8[]", "i8[]", "u1[]", "i4[]", "i8[]", "i8[]", "f8[]", "f8[,]=")
def _say(
    ids: Rows, offsets: Rows, known: NDArray[np.uint8], places: NDArray[np.int32], ends: Rows, outputs: Rows,
    units: NDArray[np.float64], said: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add up the units of the features of each product that are part of an output's name."""
    for product in range(len(said)):
        for at in range(offsets[product], offsets[product + 1]):
            if ids[at] >= len(places):
                raise IndexError("a feature beyond those that these names were read to")
            if known[ids[at] >> 3] >> (ids[at] & 7) & 1:
                place = places[ids[at]]
                for unit in range(ends[place], ends[place + 1]):
                    said[product, outputs[unit]] += units[unit]
