"""Drift in the ledger: what the detectors have seen, what they found, and what was done about it.

Detectors are a function of the rows kept here: a restart shows them the same rows again. Every method that changes
anything belongs inside the transaction of the step that calls it.
"""

import sqlite3
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.drift import Detectors, Worsening
from models.messages import Tally
from models.watched import BLOCK, LOOK, blocks_of, names_of
from service.series import SIGNALS

DELTA: Final = 0.002  # ADWIN's, all signals together
KEPT: Final = 4_096  # values of all signals; when there are more the older half is forgotten
MOST_NAMED: Final = 3
_AUDIT: Final = -1  # stands for the yardstick where a row is an audited answer


class Change(NamedTuple):
    """That signals have changed."""

    signal: str  # one of `series.SIGNALS`
    outputs: tuple[str, ...]  # whose scores did, at most MOST_NAMED
    at: float  # when the arrivals that showed it were scored, seconds since 1970

    def __str__(self) -> str:
        named = f" of {', '.join(self.outputs)}" if self.outputs else ""
        return f"drift: {self.signal}{named}"


class Alarm(NamedTuple):
    """A change that was reacted to."""

    number: int
    signal: str
    detail: str
    at: float
    arrivals: int  # tallied before it
    until: int  # the reaction lasts while there are fewer


class _Live:
    """Detectors that have seen the rows so far."""

    def __init__(self) -> None:
        self.yardstick = self.width = 0
        self.look = Detectors(LOOK, DELTA / 2.0)
        self.measured: Detectors | None = None
        self.audit = Worsening(DELTA)

    def see(self, yardstick: int, values: NDArray[np.float32]) -> list[int]:
        """Take in one row; returns the places of the signals that have changed, -1 for the audited answers."""
        if yardstick == _AUDIT:
            return [-1] if self.audit.see(wrong=bool(values[0])) else []
        if self.measured is None or yardstick > self.yardstick or len(values) != self.width:
            self.yardstick, self.width = yardstick, len(values)
            self.measured = Detectors(self.width - LOOK, DELTA / 2.0)
        as_doubles = values.astype(np.float64)
        looked, measured = self.look.see(as_doubles[:LOOK]), self.measured.see(as_doubles[LOOK:])
        return [*(measured + LOOK).tolist(), *looked.tolist()]


class Drift:
    """See the module; over the connection of a ledger."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql
        self._detectors: _Live | None = None

    # Watching

    def add(self, tally: Tally) -> Change | None:
        """Take in what a tally tells; says what has changed. Told before the tally enters the traffic."""
        place = (tally.topic, tally.partition)
        past = self._sql.execute("SELECT last FROM traffic WHERE topic = ? AND partition = ?", place).fetchone()
        again = past is not None and tally.first <= past[0]
        if tally.signals is None or again or self.alert() or tally.signals.yardstick < self._live().yardstick:
            return None
        changed = []
        for block in blocks_of(tally.signals):
            whole = self._whole(tally.signals.yardstick, block)
            if whole is not None:
                changed += self._see(tally.signals.yardstick, whole)
        if not changed:
            return None
        names = names_of(tally.signals.outputs)
        outputs = [names[place] for place in dict.fromkeys(changed) if place >= LOOK + 2]
        return Change("score" if outputs else names[changed[0]], tuple(outputs[:MOST_NAMED]), tally.at)

    def audited(self, *, wrong: bool, at: float) -> Change | None:
        """Take in whether something decided was wrong, by an answer to a query of the uniform sample."""
        if self.alert() or not self._see(_AUDIT, np.asarray([wrong], np.float32)):
            return None
        return Change("audit", (), at)

    def _whole(self, yardstick: int, block: NDArray[np.float64]) -> NDArray[np.float32] | None:
        """The means of a block of enough arrivals, together with those that waited; None if they wait on."""
        row = self._sql.execute("SELECT body FROM signals WHERE place = 0 AND yardstick = ?", (yardstick,)).fetchone()
        waiting = np.zeros(len(block)) if row is None else np.frombuffer(row[0], "<f8")
        block = block + waiting if len(waiting) == len(block) else block
        if block[0] < BLOCK:
            self._sql.execute("INSERT OR REPLACE INTO signals VALUES (0, ?, ?)", (yardstick, block.tobytes()))
            return None
        self._sql.execute("DELETE FROM signals WHERE place = 0")
        means: NDArray[np.float32] = (block[1:] / block[0]).astype("<f4")
        return means

    def _see(self, yardstick: int, values: NDArray[np.float32]) -> list[int]:
        live = self._live()
        body = values.astype("<f4").tobytes()
        place = self._sql.execute("SELECT ifnull(max(place), 0) + 1 FROM signals").fetchone()[0]
        self._sql.execute("INSERT INTO signals VALUES (?, ?, ?)", (place, yardstick, body))
        first = self._sql.execute("SELECT min(place) FROM signals WHERE place > 0").fetchone()[0]
        if place - first >= KEPT:
            self._sql.execute("DELETE FROM signals WHERE place BETWEEN 1 AND ?", (place - KEPT // 2,))
            self._detectors = None  # they go on from what is kept, as after a restart
            return []
        return live.see(yardstick, values)

    def _live(self) -> _Live:
        if self._detectors is None:
            self._detectors = _Live()
            rows = self._sql.execute("SELECT yardstick, body FROM signals WHERE place > 0 ORDER BY place")
            for yardstick, body in rows.fetchall():
                self._detectors.see(yardstick, np.frombuffer(body, "<f4"))
        return self._detectors

    # Reacting

    def react(self, change: Change, *, arrivals: int, batch: int | None, keep: int) -> Alarm:
        """Record a change and what is done about it; the detectors begin anew when that is over.

        Args:
            change: what was found.
            arrivals: how many more arrivals the reaction is to last.
            batch: of the ledger, in which the model reacts; None if it does not.
            keep: newest answers that the model then calibrates on.

        """
        seen = self._arrivals()
        row = (change.signal, str(change), change.at, seen, seen + arrivals, batch, keep)
        number = self._sql.execute("INSERT INTO drifts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row).lastrowid or 0
        self._sql.execute("DELETE FROM signals")
        self._detectors = None
        return Alarm(number, *row[:5])

    def keep(self, batch: int) -> int | None:
        """On how many answers the model calibrates anew in a batch of the ledger; None if it does not."""
        row = self._sql.execute("SELECT keep FROM drifts WHERE batch = ?", (batch,)).fetchone()
        return None if row is None else int(row[0])

    def alert(self) -> bool:
        """Whether a reaction is still on."""
        newest = self.newest()
        return newest is not None and self._arrivals() < newest.until

    def newest(self) -> Alarm | None:
        """The newest change that was reacted to."""
        row = self._sql.execute(
            "SELECT number, signal, detail, at, arrivals, until FROM drifts ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return None if row is None else Alarm(*row)

    def counts(self) -> dict[str, int]:
        """How many changes of each signal there were."""
        found = dict(self._sql.execute("SELECT signal, count(*) FROM drifts GROUP BY signal"))
        return {signal: found.get(signal, 0) for signal in SIGNALS}

    def _arrivals(self) -> int:
        return int(self._sql.execute("SELECT ifnull(sum(n), 0) FROM traffic").fetchone()[0])
