"""Stretches of an epoch, each as long as all before it together, with sums of their own: what a doubling brought.

A block of arrivals belongs to the stretch in which it begins. Every method belongs inside the transaction of the step
that calls it.
"""

import sqlite3
from typing import Final, NamedTuple

from models.sums import Sums, unpack

FIRST: Final = 1_024  # arrivals of the first stretch


class Stretch(NamedTuple):
    """Arrivals evaluated one after the other."""

    number: int
    n: int
    sums: Sums


def stretch_at(n: int) -> int:
    """Number of the stretch in which the arrival after the first n of an epoch lies, from 0."""
    return (n // FIRST).bit_length()


class Stretches:
    """See the module; over the connection of a ledger."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql

    def add(self, epoch: int, number: int, n: int, sums: Sums) -> None:
        """Add n arrivals to a stretch."""
        row = self._sql.execute("SELECT sums FROM stretches WHERE epoch = ? AND number = ?", (epoch, number)).fetchone()
        total = sums if row is None else unpack(row[0], sums.exact.shape[1]) + sums
        self._sql.execute(
            "INSERT INTO stretches VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n, sums = excluded.sums",
            (epoch, number, n, total.pack()),
        )

    def of(self, epoch: int, outputs: int) -> list[Stretch]:
        """Those of an epoch with so many outputs, in order; fewer where a ledger is older than they are."""
        rows = self._sql.execute("SELECT number, n, sums FROM stretches WHERE epoch = ? ORDER BY number", (epoch,))
        return [Stretch(number, n, unpack(sums, outputs)) for number, n, sums in rows]
