"""What evaluation rests on, in the ledger: sums per epoch, moved on as the answers come in.

Arrivals wait in blocks, as they were tallied, until everything asked in a block is settled: answered, skipped, expired
or withdrawn. Then the block is evaluated, in the order of its partition, so that quick answers weigh no more than slow
ones. An answer that changes afterwards changes the sums by the difference. Every method belongs inside the transaction
of the step that calls it.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from models.coding import decode
from models.estimates import guesses
from models.messages import Query, Tally
from models.sums import Sums, nothing, of_arrivals, unpack
from service.epochs import Asked, Epoch, as_epoch, summed
from service.stretches import Stretches, stretch_at

SMALL: Final = 256  # arrivals; a block that must wait and is smaller takes in the next one


class _Block(NamedTuple):
    first: int
    last: int
    epoch: int
    n: int
    asked: int
    known: int
    sums: bytes


class Evidence:
    """See the module; over the connection of a ledger."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql, self.stretches = sql, Stretches(sql)

    # Epochs

    def open_epoch(self, outputs: Sequence[str], reason: str, at: float) -> int:
        """Evaluate arrivals scored from `at` on by themselves; return the epoch's number."""
        before = self.epoch()
        known = {} if before is None else {name: place for place, name in enumerate(before.outputs)}
        past = nothing(0) if before is None else before.sums
        guess = guesses(past.columns([known.get(output, -1) for output in outputs]))
        row = (reason, at, msgspec.msgpack.encode(tuple(outputs)), guess.astype("<f8").tobytes(), 0.0, 0, 0, 0, b"")
        added = self._sql.execute("INSERT INTO epochs VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return added.lastrowid or 0

    def epoch(self, number: int | None = None) -> Epoch | None:
        """Return one epoch, by default the newest; None if there is none."""
        row = self._sql.execute(
            "SELECT * FROM epochs WHERE number = ifnull(?, (SELECT max(number) FROM epochs))", (number,)
        ).fetchone()
        return None if row is None else as_epoch(*row)

    def epochs(self) -> list[Epoch]:
        """All epochs, in order."""
        return [as_epoch(*row) for row in self._sql.execute("SELECT * FROM epochs ORDER BY number")]

    # What comes in

    def add_tally(self, tally: Tally) -> None:
        """Let the arrivals of a tally wait for their answers; told before the tally enters the traffic."""
        outputs, place = tuple(tally.outputs), (tally.topic, tally.partition)
        number = self._epoch_of(outputs, tally.at)
        past = self._sql.execute("SELECT last FROM traffic WHERE topic = ? AND partition = ?", place).fetchone()
        if number is None or (past is not None and tally.first <= past[0]):
            return  # of outputs the ledger never had, or arrivals that were scored a second time
        sums = of_arrivals(tally.n, tally.outputs, outputs)
        known = self._sql.execute(
            "SELECT count(*) FROM queries WHERE topic = ? AND partition = ? AND arrived BETWEEN ? AND ?",
            (*place, tally.first, tally.last),
        ).fetchone()[0]
        before = self._sql.execute(
            "SELECT first, last, epoch, n, asked, known, sums FROM blocks WHERE topic = ? AND partition = ?"
            " ORDER BY first DESC LIMIT 1",
            place,
        ).fetchone()
        last = None if before is None else _Block(*before)
        if last is not None and last.epoch == number and last.n + tally.n <= SMALL:
            joined = (unpack(last.sums, len(outputs)) + sums).pack()
            self._sql.execute(
                "UPDATE blocks SET last = ?, n = n + ?, asked = asked + ?, known = known + ?, sums = ?"
                " WHERE topic = ? AND partition = ? AND first = ?",
                (tally.last, tally.n, tally.asked, known, joined, *place, last.first),
            )
            return
        row = (*place, tally.first, tally.last, number, tally.at, tally.n, tally.asked, known, sums.pack())
        self._sql.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _epoch_of(self, outputs: tuple[str, ...], at: float) -> int | None:
        """The newest epoch with these outputs that had begun, else the first with them."""
        row = self._sql.execute(
            "SELECT number FROM epochs WHERE outputs = ?1"
            " ORDER BY at <= ?2 DESC, CASE WHEN at <= ?2 THEN -number ELSE number END LIMIT 1",
            (msgspec.msgpack.encode(outputs), at),
        ).fetchone()
        return None if row is None else int(row[0])

    def add_query(self, topic: str, partition: int, offset: int) -> None:
        """A query about this arrival is in the ledger now."""
        self._sql.execute(
            "UPDATE blocks SET known = known + 1 WHERE topic = ?1 AND partition = ?2 AND last >= ?3 AND first ="
            " (SELECT max(first) FROM blocks WHERE topic = ?1 AND partition = ?2 AND first <= ?3)",
            (topic, partition, offset),
        )

    def change(
        self, query: Query, number: int, stretch: int | None, before: Mapping[str, float], after: Mapping[str, float]
    ) -> None:
        """Take in that the answers to a query that is evaluated in an epoch changed, and in a stretch of it."""
        epoch = self.epoch(number)
        if epoch is not None and before != after and len(query.scores) == 4 * len(epoch.outputs):
            old, new = (summed([Asked(query, shares)], epoch.outputs) for shares in (before, after))
            sums = (epoch.sums + (new - old)).pack()
            self._sql.execute("UPDATE epochs SET sums = ? WHERE number = ?", (sums, number))
            if stretch is not None:
                self.stretches.add(number, stretch, 0, new - old)

    # Moving on

    def advance(self, *, caught_up: bool) -> int:
        """Evaluate every block that can be; return how many arrivals those had.

        Args:
            caught_up: nothing older waits in the log, so that a query still missing will never come.

        """
        advanced = 0
        for place in self._sql.execute("SELECT topic, partition FROM traffic").fetchall():
            for block in self._settled(place, caught_up=caught_up):
                self._evaluate(place, block)
                advanced += block.n
        return advanced

    def _settled(self, place: tuple[str, int], *, caught_up: bool) -> Iterator[_Block]:
        while True:
            row = self._sql.execute(
                "SELECT first, last, epoch, n, asked, known, sums FROM blocks WHERE topic = ? AND partition = ?"
                " ORDER BY first LIMIT 1",
                place,
            ).fetchone()
            if row is None or (row[5] < row[4] and not caught_up):
                return
            block = _Block(*row)
            waits = self._sql.execute(
                "SELECT 1 FROM queries WHERE state = 'open' AND topic = ? AND partition = ? AND arrived BETWEEN ? AND ?"
                " LIMIT 1",
                (*place, block.first, block.last),
            ).fetchone()
            if waits is not None:
                return
            yield block

    def _evaluate(self, place: tuple[str, int], block: _Block) -> None:
        epoch = self.epoch(block.epoch)
        assert epoch is not None
        span = (*place, block.first, block.last)
        asked = list(self._asked(epoch, "topic = ? AND partition = ? AND arrived BETWEEN ? AND ?", span))
        part = unpack(block.sums, len(epoch.outputs)) + summed(asked, epoch.outputs)
        stretch = stretch_at(epoch.n)
        self.stretches.add(block.epoch, stretch, block.n, part)
        floors = [entry.query.because.floor for entry in asked] + ([epoch.floor] if epoch.floor else [])
        self._sql.execute(
            "UPDATE epochs SET sums = ?, floor = ?, n = n + ?, asked = asked + ?, lost = lost + ? WHERE number = ?",
            (
                (epoch.sums + part).pack(),
                min(floors, default=0.0),
                block.n,
                block.asked,
                block.asked - len(asked),
                block.epoch,
            ),
        )
        self._sql.execute(
            "UPDATE queries SET epoch = ?, stretch = ? WHERE topic = ? AND partition = ? AND arrived BETWEEN ? AND ?",
            (block.epoch, stretch, *span),
        )
        self._sql.execute("DELETE FROM blocks WHERE topic = ? AND partition = ? AND first = ?", span[:3])

    def _asked(self, epoch: Epoch, where: str, values: Sequence[object]) -> Iterator[Asked]:
        for body, shares in self._sql.execute(f"SELECT body, shares FROM queries WHERE {where}", values):  # noqa: S608
            query = decode(Query, body, limit=len(body))
            if len(query.scores) != 4 * len(epoch.outputs):
                continue  # as good as lost: not of the model that made the tally
            yield Asked(query, {} if shares is None else msgspec.msgpack.decode(shares, type=dict[str, float]))

    # Looking

    def waiting(self) -> tuple[int, float | None]:
        """How many arrivals are tallied and not evaluated, and when the oldest of them was scored."""
        n = self._sql.execute("SELECT ifnull(sum(n), 0) FROM blocks").fetchone()[0]
        oldest = self._sql.execute(
            "SELECT min((SELECT at FROM blocks WHERE blocks.topic = traffic.topic AND"
            " blocks.partition = traffic.partition ORDER BY first LIMIT 1)) FROM traffic"
        ).fetchone()[0]
        return int(n), oldest

    def recount(self, number: int) -> Sums:
        """The sums of an epoch, those over answers made anew from every query and its answers."""
        epoch = self.epoch(number)
        assert epoch is not None
        return self._recounted(epoch, epoch.sums, "epoch = ?", (number,))

    def checks(self, number: int) -> bool:
        """Whether the sums of an epoch and of its stretches follow from the answers."""
        epoch = self.epoch(number)
        assert epoch is not None
        return self.recount(number) == epoch.sums and all(
            self._recounted(epoch, one.sums, "epoch = ? AND stretch = ?", (number, one.number)) == one.sums
            for one in self.stretches.of(number, len(epoch.outputs))
        )

    def _recounted(self, epoch: Epoch, sums: Sums, where: str, values: Sequence[object]) -> Sums:
        total, held = sums.arrivals(), list[Asked]()
        for asked in self._asked(epoch, where, values):
            held.append(asked)
            if len(held) == SMALL:
                total, held = total + summed(held, epoch.outputs), []
        return total + summed(held, epoch.outputs)
