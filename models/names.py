"""What outputs are called, and how much of that a product says."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.sparse import csr_array

from models.features import TITLE, Features, featurise
from models.messages import Product
from models.table import Floats

_UNITS: Final = 2.0**20  # weights are whole numbers of these, so that their sum does not depend on the order


def words_of(output: str) -> str:
    """The words of an output's name, after its field: `sports shoes` of `type:sports-shoes`."""
    return " ".join(re.split(r"[\W_]+", output.rpartition(":")[2])).strip()[:TITLE]


class Names:
    """The features of outputs' names, to find again in products; a function of the names alone, it never changes.

    A product that says what an output is called is likelier to be a yes, before anybody has answered anything
    (classification by the meaning of labels: Chang, Ratinov, Roth and Srikumar 2008; here by their letters).
    """

    def __init__(self, outputs: Sequence[str], *, bits: int) -> None:
        features = featurise([Product(id="name", title=words_of(output)) for output in outputs], bits=bits)
        self._ids, columns = np.unique(features.ids, return_inverse=True)
        values = features.values.astype(np.float64)
        units = np.rint(values * np.sqrt(values) * _UNITS)
        shape = (len(outputs), len(self._ids))
        self._units = csr_array((units, columns, features.offsets), shape=shape).T.tocsr()
        self._known = np.zeros(1 << bits, np.bool_)
        self._known[self._ids] = True
        self._whole = np.maximum(np.asarray(self._units.sum(axis=0)), 1.0)

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
        found = np.flatnonzero(self._known.take(features.ids))
        columns = np.searchsorted(self._ids, features.ids.take(found))
        offsets = np.searchsorted(found, features.offsets)
        said = csr_array((np.ones(len(found)), columns, offsets), shape=(len(features), len(self._ids)))
        likeness: Floats = ((said @ self._units).toarray() / self._whole).astype(np.float32)
        return likeness
