"""Writing to the embedded log: one SQLite file that several processes read and write at once."""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from models.records import Outgoing, Position
from producers.port import DeliveryFailed, LogRefused
from producers.retention import compact, trim
from producers.sqlite_file import OFFSET_BITS, connect, fault, faults, transaction
from producers.topics import MAX_RECORD, Topic, check

COMPACTED_FROM: Final = 4_000_000  # bytes more than twice what was left, from which a partition is compacted at once


class SqliteWriter:
    """Writes to the log file; one publish is one SQL transaction.

    A publish that returned survives the death of the process. With `durable` it survives a power failure too; without,
    a power failure may undo the last publishes, wholly and latest first, and never damages the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        topics: Mapping[str, Topic],
        durable: bool = True,
        wait: float = 10.0,
        limit: int = MAX_RECORD,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the log and make the topics that are missing; a topic that has fewer partitions gets more.

        Raises as `connect` does.
        """
        self._path = path
        self._topics = topics
        self._limit = limit
        self._clock = clock
        self._turn = 0
        self._compacted: dict[int, int] = {}  # bytes left of a partition
        self._db = connect(path, durable=durable, wait=wait)
        with faults(path):
            self._create()

    def _create(self) -> None:
        wanted = [(topic.name, n) for topic in self._topics.values() for n in range(topic.partitions)]
        there = set(self._db.execute("SELECT topic, partition FROM partitions"))
        missing = [place for place in wanted if place not in there]
        if missing:
            with transaction(self._db):
                self._db.executemany("INSERT OR IGNORE INTO partitions (topic, partition) VALUES (?, ?)", missing)

    def publish(self, records: Sequence[Outgoing], past: Position | None) -> None:
        check(records, self._topics, limit=self._limit)
        try:
            with transaction(self._db):
                self._append(records)
                if past is not None:
                    self._pass(past)
                self._forget(limit=1_000 + 2 * len(records))
        except sqlite3.Error as error:
            reason = fault(self._path, error)
            if isinstance(reason, LogRefused):
                raise reason from error
            raise DeliveryFailed(str(reason)) from error
        self._turn += 1

    def _append(self, records: Sequence[Outgoing]) -> None:
        if not records:
            return
        now = self._clock()
        ids: dict[str, list[int]] = defaultdict(list)
        following: dict[int, int] = {}
        grown: dict[int, int] = defaultdict(int)
        for id_, topic, next_ in self._db.execute("SELECT id, topic, next FROM partitions ORDER BY topic, partition"):
            ids[topic].append(id_)
            following[id_] = next_
        rows = []
        for number, record in enumerate(records):
            among = ids[record.topic]
            chosen = record.partition
            if chosen is None:
                chosen = (crc32(record.key) if record.key is not None else number) % len(among)
            id_ = among[chosen]
            offset = following[id_]
            following[id_] = offset + 1
            grown[id_] += len(record.key or b"") + len(record.value or b"")
            rows.append((id_ << OFFSET_BITS | offset, record.key, record.value, now, record.content_type))
        self._db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
        ends = [(following[id_], size, id_) for id_, size in grown.items()]
        self._db.executemany("UPDATE partitions SET next = ?, bytes = bytes + ? WHERE id = ?", ends)

    def _pass(self, past: Position) -> None:
        if past.membership is not None:
            claims = self._db.execute(
                "SELECT topic, partition FROM claims WHERE name = ? AND member = ? AND generation = ?",
                (past.group, *past.membership),
            )
            if not past.offsets.keys() <= set(claims):
                raise DeliveryFailed(f"others of the group {past.group!r} read this now; nothing was published")
        rows = [(past.group, topic, partition, next_) for (topic, partition), next_ in past.offsets.items()]
        self._db.executemany("INSERT OR REPLACE INTO past VALUES (?, ?, ?, ?)", rows)

    def _forget(self, *, limit: int) -> None:
        # One partition in turn, twice as much as was just written: forgetting keeps up and never takes long.
        partitions = self._db.execute("SELECT id, topic, bytes FROM partitions ORDER BY id").fetchall()
        in_turn = self._turn % len(partitions)
        for number, (id_, name, size) in enumerate(partitions):
            topic, span = self._topics.get(name), (id_ << OFFSET_BITS, (id_ + 1) << OFFSET_BITS)
            if topic is None:
                continue
            if topic.compacted:  # which reads the whole partition
                due = number == in_turn and self._turn // len(partitions) % 16 == 0
                if due or size > 2 * self._compacted.get(id_, 0) + COMPACTED_FROM:
                    self._compacted[id_] = compact(self._db, id_, span, now=self._clock(), limit=limit)
            elif number == in_turn:
                cutoff = float("-inf") if topic.keep_seconds is None else self._clock() - topic.keep_seconds
                surplus = size - topic.keep_bytes if topic.keep_bytes is not None else 0
                trim(self._db, id_, span, cutoff=cutoff, surplus=surplus, limit=limit)

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._db.close()
