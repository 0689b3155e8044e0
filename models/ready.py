"""Rows of a table that are worked out when somebody first needs them."""

import numpy as np

from models.table import Floats, Rows


class Ready:
    """A table of which some rows are ready; any number of threads may use it, if all put the same there.

    Memory is touched for the rows that are ready alone.
    """

    def __init__(self, rows: int, width: int) -> None:
        self.table: Floats = np.zeros((rows, width), np.float32)
        self._ready = np.zeros(rows, np.bool_)

    def missing(self, rows: Rows) -> Rows:
        """Those of the rows that are not ready yet, once each."""
        return np.unique(rows[~self._ready.take(rows)])

    def put(self, rows: Rows, values: Floats) -> None:
        """Make rows ready."""
        self.table[rows] = values
        self._ready[rows] = True  # last, as others may be reading
