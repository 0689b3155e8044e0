"""How much has come by, in the ledger, as the tallies tell; the budget's scale travels with them."""

import sqlite3
from typing import NamedTuple

from models.messages import Tally


class Totals(NamedTuple):
    """Sums over all partitions since the ledger began."""

    arrivals: int
    asked: int
    chance: float  # sum of the chances


class Traffic:
    """Running sums by partition. Every method belongs inside the transaction of the step that calls it."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql

    def add(self, tally: Tally) -> None:
        """Add one tally, and keep the scales it ends with."""
        row = (tally.topic, tally.partition, tally.first, tally.last, tally.n, tally.asked, tally.chance)
        self._sql.execute(
            "INSERT INTO traffic VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " last = max(last, excluded.last), n = n + excluded.n, asked = asked + excluded.asked,"
            " chance = chance + excluded.chance",
            row,
        )
        self._sql.execute("INSERT OR REPLACE INTO budget VALUES (1, ?)", (tally.scale,))
        own = [(name, one.scale) for name, one in tally.outputs.items() if one.scale is not None]
        self._sql.executemany("INSERT OR REPLACE INTO output_budgets VALUES (?, ?)", own)

    def totals(self) -> Totals:
        """Everything that has come by."""
        row = self._sql.execute(
            "SELECT ifnull(sum(n), 0), ifnull(sum(asked), 0), ifnull(sum(chance), 0.0) FROM traffic"
        )
        n, asked, chance = row.fetchone()
        return Totals(int(n), int(asked), float(chance))

    def scale(self) -> float | None:
        """The budget's scale as last heard; None before the first tally."""
        row = self._sql.execute("SELECT scale FROM budget").fetchone()
        return None if row is None else float(row[0])

    def output_scales(self) -> dict[str, float]:
        """The scales of outputs that have, or once had, a share of their own, as last heard."""
        return dict(self._sql.execute("SELECT output, scale FROM output_budgets"))
