"""What the ledger knows of models that are tried beside the one that serves: requests, comparisons, choices.

Every method belongs inside the transaction of the step that calls it.
"""

import sqlite3
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from models.contrast import Contrast
from service.recipes import Choice, Recipe, unpack


class Wish(StrEnum):
    """What can be asked of a service."""

    START = "start"  # a candidate
    STOP = "stop"  # the candidate
    BACK = "back"  # to the model that served before


class Request(NamedTuple):
    """Something asked of the service, to be heeded at its next turn or start."""

    place: int
    what: Wish
    recipe: Recipe | None
    most: int | None  # answers that a candidate has to be shown better by; None: as many as it takes


class Kind(StrEnum):
    """Why models are tried."""

    CANDIDATE = "candidate"  # to serve, if shown to be better
    SAVINGS = "savings"  # to see what the choice of queries saves


class Outcome(StrEnum):
    """How a challenge ended."""

    PROMOTED = "promoted"
    STOPPED = "stopped"
    DROPPED = "dropped"  # not shown to be better by the answers it had
    OVERTAKEN = "overtaken"  # another model serves than the one it was compared with


class Challenge(NamedTuple):
    """Models tried beside the one that serves, and what came of it."""

    number: int
    kind: Kind
    recipe: Recipe
    against: Recipe  # what serves while it runs
    at: float
    first: int | None  # batch at which it was first compared; None if it never was
    contrasts: tuple[Contrast, ...]
    outcome: Outcome | None  # None while it runs
    last: int | None  # batch with which it ended
    most: int | None  # answers after which it ends if it was not promoted; None: it goes on


class Challenges:
    """See the module; over the connection of a ledger."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql

    # Requests

    def ask(self, what: Wish, recipe: Recipe | None, at: float, most: int | None = None) -> None:
        """Ask something of the service."""
        row = (what, None if recipe is None else recipe.pack(), at, most)
        self._sql.execute("INSERT INTO requests (what, recipe, at, most) VALUES (?, ?, ?, ?)", row)

    def requests(self) -> list[Request]:
        """What was asked and not yet heeded, in order."""
        rows = self._sql.execute("SELECT place, what, recipe, most FROM requests ORDER BY place")
        return [
            Request(n, Wish(what), None if packed is None else unpack(packed), most) for n, what, packed, most in rows
        ]

    def heeded(self, request: Request) -> None:
        """Forget a request."""
        self._sql.execute("DELETE FROM requests WHERE place = ?", (request.place,))

    # Challenges

    def start(self, kind: Kind, recipe: Recipe, against: Recipe, at: float, most: int | None = None) -> int:
        """Enter a challenge; return its number."""
        row = (kind, recipe.pack(), against.pack(), at, msgspec.msgpack.encode(()), most)
        statement = "INSERT INTO challenges (kind, recipe, against, at, contrasts, most) VALUES (?, ?, ?, ?, ?, ?)"
        entered = self._sql.execute(statement, row)
        return entered.lastrowid or 0

    def running(self) -> list[Challenge]:
        """Challenges not ended: at most one of each kind."""
        return self._challenges("WHERE outcome IS NULL ORDER BY number")

    def newest(self, kind: Kind) -> Challenge | None:
        """The last one of a kind, running or ended."""
        return next(iter(self._challenges("WHERE kind = ? ORDER BY number DESC LIMIT 1", kind)), None)

    def _challenges(self, which: str, *values: object) -> list[Challenge]:
        rows = self._sql.execute(f"SELECT * FROM challenges {which}", values)  # noqa: S608
        return [
            Challenge(
                number, Kind(kind), unpack(packed), unpack(against), at, first,
                msgspec.msgpack.decode(contrasts, type=tuple[Contrast, ...]),
                None if outcome is None else Outcome(outcome), last, most,
            )
            for number, kind, packed, against, at, first, contrasts, outcome, last, most in rows
        ]  # fmt: skip

    def compared(self, number: int, batch: int, contrasts: Sequence[Contrast]) -> None:
        """Keep the sums of a challenge after the answers of a batch."""
        self._sql.execute(
            "UPDATE challenges SET contrasts = ?, first = ifnull(first, ?) WHERE number = ?",
            (msgspec.msgpack.encode(tuple(contrasts)), batch, number),
        )

    def end(self, number: int, outcome: Outcome, batch: int) -> None:
        """End a challenge."""
        self._sql.execute("UPDATE challenges SET outcome = ?, last = ? WHERE number = ?", (outcome, batch, number))

    def first_taught(self, batch: int) -> frozenset[str]:
        """Queries of a batch that no batch before had learnt from: no model has seen their answers."""
        rows = self._sql.execute(
            "SELECT query FROM lessons AS one WHERE batch = ?1 AND NOT EXISTS"
            " (SELECT 1 FROM lessons WHERE query = one.query AND batch < ?1)",
            (batch,),
        )
        return frozenset(query for (query,) in rows)

    # Choices

    def configure(self, recipe: Recipe) -> None:
        """Say what the configuration asks for, so that commands know it too."""
        self._sql.execute("INSERT OR REPLACE INTO configured VALUES (1, ?)", (recipe.pack(),))

    def configured(self) -> Recipe | None:
        """What the configuration of the service that ran last asked for; None if none has run."""
        row = self._sql.execute("SELECT recipe FROM configured").fetchone()
        return None if row is None else unpack(row[0])

    def choose(self, choice: Choice) -> None:
        """Let another recipe serve."""
        packed = None if choice.recipe is None else choice.recipe.pack()
        row = (choice.batch, packed, choice.configured.pack(), choice.at)
        self._sql.execute("INSERT INTO choices (batch, recipe, configured, at) VALUES (?, ?, ?, ?)", row)

    def choices(self) -> list[Choice]:
        """All choices ever made, in order."""
        rows = self._sql.execute("SELECT batch, recipe, configured, at FROM choices ORDER BY number")
        return [
            Choice(batch, None if packed is None else unpack(packed), unpack(configured), at)
            for batch, packed, configured, at in rows
        ]
