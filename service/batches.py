"""The write-ahead log of the model, in the ledger: every batch it ever learns from, before it does."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from models.coding import decode
from models.messages import Query
from service.drift import Drift
from service.evidence import Evidence


class Batch(NamedTuple):
    """One numbered step of the model: new outputs, lessons as (query, shares of yes), or a new calibration."""

    number: int
    outputs: tuple[str, ...] | None
    lessons: tuple[tuple[Query, Mapping[str, float]], ...]
    keep: int | None = None  # the newest answers that are calibrated on from then on


class Batches:
    """Over the connection of a ledger. What writes belongs inside the transaction of the step that calls it."""

    def __init__(self, sql: sqlite3.Connection, evidence: Evidence, drift: Drift) -> None:
        self._sql, self._evidence, self._drift = sql, evidence, drift

    def last(self) -> int:
        """Number of the newest batch; -1 in an empty ledger."""
        return int(self._sql.execute("SELECT ifnull(max(number), -1) FROM batches").fetchone()[0])

    def add_lessons(self, lessons: Iterable[tuple[str, Mapping[str, float]]], at: float) -> int:
        """Write the next batch of lessons; return its number."""
        number = self._add(None, at)
        rows = [(number, i, query, msgspec.msgpack.encode(shares)) for i, (query, shares) in enumerate(lessons)]
        self._sql.executemany("INSERT INTO lessons VALUES (?, ?, ?, ?)", rows)
        return number

    def add_outputs(self, outputs: tuple[str, ...], at: float) -> int:
        """Write a change of the model's outputs as the next batch, evaluated anew from then on; return its number."""
        self._evidence.open_epoch(outputs, "outputs changed" if self._evidence.epoch() else "first outputs", at)
        return self._add(msgspec.msgpack.encode(outputs), at)

    def _add(self, outputs: bytes | None, at: float) -> int:
        number = self.last() + 1
        self._sql.execute("INSERT INTO batches VALUES (?, ?, ?)", (number, outputs, at))
        return number

    def after(self, number: int) -> Iterator[Batch]:
        """All batches after a number, in order."""
        statement = "SELECT number, outputs FROM batches WHERE number > ? ORDER BY number"
        for later, outputs in self._sql.execute(statement, (number,)).fetchall():
            rows = self._sql.execute(
                "SELECT body, lessons.shares FROM lessons JOIN queries ON queries.id = query"
                " WHERE batch = ? ORDER BY place",
                (later,),
            )
            lessons = tuple((decode(Query, body, limit=len(body)), shares_of(shares)) for body, shares in rows)
            names = None if outputs is None else msgspec.msgpack.decode(outputs, type=tuple[str, ...])
            yield Batch(later, names, lessons, self._drift.keep(later))

    def outputs(self, until: int | None = None) -> tuple[str, ...]:
        """The model's outputs after batch `until` (default: the newest); empty in an empty ledger."""
        statement = "SELECT outputs FROM batches WHERE outputs NOT NULL AND number <= ? ORDER BY number DESC LIMIT 1"
        row = self._sql.execute(statement, (self.last() if until is None else until,)).fetchone()
        return () if row is None else msgspec.msgpack.decode(row[0], type=tuple[str, ...])

    def taught_by(self, query: str) -> list[int]:
        """Batches that learnt from a query."""
        return [n for (n,) in self._sql.execute("SELECT batch FROM lessons WHERE query = ? ORDER BY batch", (query,))]


def shares_of(packed: bytes | None) -> dict[str, float]:
    """Shares of yes by output, as the ledger keeps them; empty where there are none yet."""
    return {} if packed is None else msgspec.msgpack.decode(packed, type=dict[str, float])
