"""Reading from the embedded log."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

from consumers.port import LogRefused
from models.records import Position, Record
from producers.sqlite import OFFSET_BITS, connect, faults, transaction

PAUSE: Final = 0.01
"""Seconds between two looks whether anything was written."""

BYTES: Final = 32_000_000
"""A poll stops early once it holds this much."""


class SqliteReader:
    """Reads topics of the log file, as the group's only member or from a position of its own.

    Without `start` it goes on at the group's past, and from then on nobody who read as this group before can publish
    past anything: of two processes by mistake in one group, the older fails. With `start` it keeps its own offsets.
    Topics that do not exist yet are empty; they are read once somebody makes them.
    """

    def __init__(
        self, path: Path, *, topics: Sequence[str], group: str, start: Position | None = None, wait: float = 10.0
    ) -> None:
        """Open the log. Raises as `producers.sqlite.connect` does, and as `seek` does for `start`."""
        self._path = path
        self._topics = tuple(topics)
        self._group = group
        self._member = start is None
        self._generation: int | None = None
        self._next: dict[tuple[str, int], int] = {}
        self._ends: dict[tuple[str, int], int] = {}
        self._turn = 0
        self._db = connect(path, wait=wait)
        try:
            self._begin(start)
        except BaseException:
            self._db.close()
            raise

    def _begin(self, start: Position | None) -> None:
        if start is not None:
            self._go_on(start)
            return
        with faults(self._path), transaction(self._db):
            row = self._db.execute(
                "INSERT INTO groups VALUES (?, 1) ON CONFLICT DO UPDATE SET generation = generation + 1"
                " RETURNING generation",
                (self._group,),
            ).fetchone()
            self._generation = row[0]
            self._next = dict(self.committed().offsets)

    def poll(self, limit: int, timeout: float) -> list[Record]:
        deadline = time.monotonic() + timeout
        with faults(self._path):
            while True:
                seen = self._version()
                records = self._read(limit)
                if records or not self._changes(seen, deadline):
                    return records

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def _changes(self, seen: int, deadline: float) -> bool:
        """Wait until somebody has written, or return False at the deadline."""
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(PAUSE, left))
            if self._version() != seen:
                return True
        return False

    def _read(self, limit: int) -> list[Record]:
        partitions = self._partitions()
        for _, topic, partition, first, end in partitions:
            self._next[topic, partition] = max(self._next.get((topic, partition), 0), first)
            self._ends[topic, partition] = end
        waiting = [row for row in partitions if self._next[row[1], row[2]] < row[4]]
        records: list[Record] = []
        room = BYTES
        # Each poll begins one partition later, so that a long backlog in one holds up none of the others.
        self._turn += 1
        for number in range(len(waiting)):
            id_, topic, partition, _, end = waiting[(number + self._turn) % len(waiting)]
            start = id_ << OFFSET_BITS
            rows = self._db.execute(
                "SELECT place, key, value, at, content_type FROM records WHERE place >= ? AND place < ?"
                " ORDER BY place LIMIT ?",
                (start | self._next[topic, partition], start | end, limit - len(records)),
            )
            reached = end
            for place, key, value, stamp, content_type in rows:
                offset = place - start
                records.append(Record(topic, partition, offset, key, value, stamp, content_type))
                room -= len(value or b"")
                if room <= 0 or len(records) >= limit:
                    reached = offset + 1
                    break
            self._next[topic, partition] = reached
            if room <= 0 or len(records) >= limit:
                break
        return records

    def _partitions(self) -> list[tuple[int, str, int, int, int]]:
        rows = self._db.execute("SELECT id, topic, partition, first, next FROM partitions ORDER BY id")
        return [row for row in rows if row[1] in self._topics]

    def position(self) -> Position:
        offsets = MappingProxyType(dict(self._next))
        return Position(group=self._group, offsets=offsets, membership=self._generation)

    def seek(self, position: Position) -> None:
        if self._member:
            raise LogRefused(f"a member of {self._group!r} goes on where the group stands: open with `start` to seek")
        self._go_on(position)

    def _go_on(self, position: Position) -> None:
        with faults(self._path):
            partitions = self._partitions()
        ends = {(topic, partition): end for _, topic, partition, _, end in partitions}
        for (topic, partition), at in position.offsets.items():
            if topic in self._topics and at > ends.get((topic, partition), 0):
                raise LogRefused(
                    f"{topic}/{partition} of the log {self._path} ends at {ends.get((topic, partition), 0)}, "
                    f"but reading is to go on at {at}: this is another log, or it has lost records; "
                    "bring back the log that belongs to this state, or begin with both empty"
                )
        self._next = {place: at for place, at in position.offsets.items() if place[0] in self._topics}

    def committed(self) -> Position:
        with faults(self._path):
            rows = self._db.execute("SELECT topic, partition, next FROM past WHERE name = ?", (self._group,)).fetchall()
        past = {(topic, partition): next_ for topic, partition, next_ in rows if topic in self._topics}
        return Position(group=self._group, offsets=MappingProxyType(past))

    def lag(self) -> Mapping[tuple[str, int], int]:
        return {place: end - self._next.get(place, 0) for place, end in self._ends.items()}

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._db.close()
