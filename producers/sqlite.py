"""The embedded log: one SQLite file that several processes read and write at once."""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from models.records import Outgoing, Position
from producers.port import DeliveryFailed, LogRefused, LogUnavailable
from producers.retention import compact, trim
from producers.topics import MAX_RECORD, Topic, check

FILE: Final = "log.sqlite"
SCHEMA: Final = 2
APPLICATION: Final = 0x41736B61  # "Aska", so that another program's file is not taken for a log

COMPACTED_FROM: Final = 4_000_000  # bytes more than twice what was left, from which a partition is compacted at once

# A record's place is its partition's id and its offset in one integer, so a partition is one run of the table.
OFFSET_BITS: Final = 40

_TABLES: Final = """
CREATE TABLE partitions (
  id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL,
  first INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
  UNIQUE (topic, partition)) STRICT;
CREATE TABLE records (
  place INTEGER PRIMARY KEY, key BLOB, value BLOB, at REAL NOT NULL, content_type TEXT NOT NULL) STRICT;
CREATE TABLE past (
  name TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
  PRIMARY KEY (name, topic, partition)) STRICT, WITHOUT ROWID;
"""

# Who reads in a group, and which of them owns what; since version 2, before which a group had one member.
_MEMBERS: Final = """
CREATE TABLE members (
  name TEXT NOT NULL, member TEXT NOT NULL, generation INTEGER NOT NULL, seen REAL NOT NULL,
  PRIMARY KEY (name, member)) STRICT, WITHOUT ROWID;
CREATE TABLE claims (
  name TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
  member TEXT NOT NULL, generation INTEGER NOT NULL,
  PRIMARY KEY (name, topic, partition)) STRICT, WITHOUT ROWID;
"""


def fault(path: Path, error: sqlite3.Error) -> LogUnavailable | LogRefused:
    """Say what is wrong with the log file and what to do about it."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LogUnavailable(f"the log {path} is locked by another process: wait for it, or stop it ({error})")
        case sqlite3.SQLITE_FULL:
            return LogUnavailable(f"the disk of the log {path} is full: make room ({error})")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return LogRefused(f"the log {path} cannot be written: let this user write the file and its folder")
        case sqlite3.SQLITE_CANTOPEN:
            return LogRefused(f"the log {path} cannot be opened: check that its folder exists and may be written")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return LogRefused(f"the log {path} is damaged ({error}): restore it from a backup, or move it aside")
    return LogUnavailable(f"the log {path} cannot be used: {error}")


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into what the port promises."""
    try:
        yield
    except sqlite3.Error as error:
        raise fault(path, error) from error


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block's writes, or none."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def connect(path: Path, *, durable: bool = True, wait: float = 10.0) -> sqlite3.Connection:
    """Open the log file, making it if it is missing; a lock is waited for up to `wait` seconds.

    Raises:
        LogRefused: no folder, no access, damaged, not a log, or of a newer version.
        LogUnavailable: locked for longer than `wait`, or the disk fails.

    """
    if not path.parent.is_dir():
        raise LogRefused(f"the folder {path.parent} does not exist: create it, or name another one for the data")
    with faults(path):
        db = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
        try:
            _prepare(db, path, durable=durable)
        except BaseException:
            db.close()
            raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, *, durable: bool) -> None:
    _check_version(db, path)
    if db.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        _switch_to_wal(db)
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    db.execute("PRAGMA journal_size_limit = 67108864")
    if db.execute("PRAGMA user_version").fetchone() != (SCHEMA,):
        with transaction(db):
            (version,) = db.execute("PRAGMA user_version").fetchone()  # somebody else may have been quicker
            steps = {0: _TABLES + _MEMBERS, 1: _MEMBERS + "DROP TABLE groups"}.get(version, "")
            for statement in filter(str.strip, steps.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {SCHEMA}")
    # Only a write shows whether writing is allowed.
    with transaction(db):
        db.execute("UPDATE members SET seen = seen WHERE name = ''")


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    db.execute("BEGIN")  # of one moment: somebody else may be making the file
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        db.execute("ROLLBACK")
    if tables and application != APPLICATION:
        raise LogRefused(f"{path} is a database of another program: name another folder for the data")
    if version > SCHEMA:
        raise LogRefused(
            f"the log {path} is of version {version}, this program knows up to {SCHEMA}: "
            "upgrade the program, or name another folder for the data"
        )


def _switch_to_wal(db: sqlite3.Connection) -> None:
    # SQLite does not wait for the lock of this one statement; several processes may start at once.
    for _ in range(100):
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
            return
        time.sleep(0.02)
    db.execute("PRAGMA journal_mode = WAL")


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
