"""Reading from the embedded log."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

from consumers.membership import Change, Membership
from consumers.port import LogRefused, LogUnavailable
from models.records import Position, Record
from producers.sqlite_file import OFFSET_BITS, connect, faults, transaction

PAUSE: Final = 0.01
"""Seconds between two looks whether anything was written."""

BYTES: Final = 32_000_000
"""A poll stops early once it holds this much."""


class SqliteReader:
    """Reads topics of the log file, as a member of a group or from a position of its own.

    Without `start` it goes on at the group's past, in its part of the partitions (`Membership`): from then on nobody
    who read in this group by the same name can publish past anything. With `start` it keeps its own offsets.
    Topics that do not exist yet are empty; they are read once somebody makes them.
    """

    def __init__(
        self,
        path: Path,
        *,
        topics: Sequence[str],
        group: str,
        start: Position | None = None,
        instance: str = "",
        lease: float = 10.0,
        wait: float = 10.0,
    ) -> None:
        """Open the log; a member that has not polled for `lease` seconds is taken for dead by the others.

        Raises as `producers.sqlite.connect` does, and as `seek` does for `start`.
        """
        self._path = path
        self._topics = tuple(topics)
        self._group = group
        self._membership: Membership | None = None
        self._next: dict[tuple[str, int], int] = {}
        self._polled: set[tuple[str, int]] = set()  # since the last `position`
        self._said: dict[tuple[str, int], int] = {}  # by then, of what had been polled
        self._ends: dict[tuple[str, int], int] = {}
        self._turn = 0
        self._db = connect(path, wait=wait)
        try:
            self._begin(start, instance, lease)
        except BaseException:
            self._db.close()
            raise

    def _begin(self, start: Position | None, instance: str, lease: float) -> None:
        if start is not None:
            self._go_on(start)
            return
        with faults(self._path), transaction(self._db):
            self._membership = Membership(self._db, self._group, instance, lease)
            past = self.committed().offsets
            self._next = {place: past.get(place, 0) for place in self._membership.owned() if place[0] in self._topics}
        self._share(self._membership)

    def _share(self, membership: Membership) -> None:
        """Have the part of the partitions that is this member's, and no other."""
        change = self._change(membership)
        if change or membership.due:
            with transaction(self._db):
                membership.beat()
                change = self._change(membership)
                taken = membership.apply(change)
            self._next |= taken
        for place in {*change.release, *change.lost}:
            del self._next[place]
            self._said.pop(place, None)
        if self._polled - self._next.keys():
            raise LogUnavailable("partitions went to another member between polling and publishing")

    def _change(self, membership: Membership) -> Change:
        places = sorted((topic, partition) for _, topic, partition, _, _ in self._partitions())
        past = self.committed().offsets
        unpublished = {place for place, at in self._said.items() if past.get(place, 0) < at}
        return membership.change(places, self._next, self._polled | unpublished)

    def poll(self, limit: int, timeout: float) -> list[Record]:
        deadline = time.monotonic() + timeout
        with faults(self._path):
            while True:
                seen = self._version()
                if self._membership is not None:
                    self._share(self._membership)
                records = self._read(limit)
                if records or not self._changes(seen, deadline):
                    return records

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def _changes(self, seen: int, deadline: float) -> bool:
        """Wait until somebody has written, or return False at the deadline."""
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(PAUSE, left))
            if self._version() != seen or (self._membership is not None and self._membership.due):
                return True
        return False

    def _read(self, limit: int) -> list[Record]:
        partitions = [row for row in self._partitions() if self._membership is None or row[1:3] in self._next]
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
            self._polled.add((topic, partition))
            if room <= 0 or len(records) >= limit:
                break
        return records

    def _partitions(self) -> list[tuple[int, str, int, int, int]]:
        rows = self._db.execute("SELECT id, topic, partition, first, next FROM partitions ORDER BY id")
        return [row for row in rows if row[1] in self._topics]

    def position(self) -> Position:
        self._said |= {place: self._next[place] for place in self._polled}
        self._polled.clear()
        owner = None if self._membership is None else self._membership.owner
        return Position(group=self._group, offsets=MappingProxyType(dict(self._next)), membership=owner)

    def seek(self, position: Position) -> None:
        if self._membership is not None:
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
        return {place: self._ends[place] - at for place, at in self._next.items() if place in self._ends}

    def close(self) -> None:
        with suppress(sqlite3.Error):
            if self._membership is not None:
                with transaction(self._db):
                    self._membership.leave()
        with suppress(sqlite3.Error):
            self._db.close()
