"""The file of the embedded log: its tables, its versions, how it is opened, and what its faults mean."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from models.faults import LogRefused, LogUnavailable

FILE: Final = "log.sqlite"
SCHEMA: Final = 2
APPLICATION: Final = 0x41736B61  # "Aska", so that another program's file is not taken for a log

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
