"""The ledger's file: its schema, its lock, its transactions."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

FILE: Final = "ledger.sqlite"

SCHEMA: Final = """
CREATE TABLE inputs (topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)) STRICT;
CREATE TABLE queries (
  id TEXT PRIMARY KEY, arrival TEXT NOT NULL, product TEXT NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL,
  shares BLOB, received_at REAL NOT NULL, expires_at REAL NOT NULL,
  topic TEXT NOT NULL, partition INTEGER NOT NULL, arrived INTEGER NOT NULL, epoch INTEGER) STRICT;
CREATE INDEX queries_arrived ON queries (topic, partition, arrived);
CREATE INDEX queries_waiting ON queries (topic, partition, arrived) WHERE state = 'open';
CREATE INDEX queries_open ON queries (expires_at) WHERE state = 'open';
CREATE INDEX queries_product ON queries (product);
CREATE TABLE answers (
  place INTEGER PRIMARY KEY, query TEXT NOT NULL, annotator TEXT NOT NULL, body BLOB NOT NULL,
  received_at REAL NOT NULL, outcome TEXT NOT NULL) STRICT;
CREATE INDEX answers_query ON answers (query);
CREATE TABLE batches (number INTEGER PRIMARY KEY, outputs BLOB, at REAL NOT NULL) STRICT;
CREATE TABLE lessons (
  batch INTEGER, place INTEGER, query TEXT NOT NULL, shares BLOB NOT NULL, PRIMARY KEY (batch, place)) STRICT;
CREATE INDEX lessons_query ON lessons (query);
CREATE TABLE counts (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;
CREATE TABLE traffic (
  topic TEXT, partition INTEGER, first INTEGER, last INTEGER NOT NULL, n INTEGER NOT NULL, asked INTEGER NOT NULL,
  chance REAL NOT NULL, PRIMARY KEY (topic, partition)) STRICT;
CREATE TABLE belongs (one INTEGER PRIMARY KEY CHECK (one = 1), log TEXT NOT NULL) STRICT;
CREATE TABLE budget (one INTEGER PRIMARY KEY CHECK (one = 1), scale REAL NOT NULL) STRICT;
CREATE TABLE outbox (place INTEGER PRIMARY KEY, topic TEXT NOT NULL, key BLOB, value BLOB) STRICT;
CREATE TABLE epochs (
  number INTEGER PRIMARY KEY, reason TEXT NOT NULL, at REAL NOT NULL, outputs BLOB NOT NULL, guess BLOB NOT NULL,
  floor REAL NOT NULL, n INTEGER NOT NULL, asked INTEGER NOT NULL, lost INTEGER NOT NULL, sums BLOB NOT NULL) STRICT;
CREATE TABLE blocks (
  topic TEXT, partition INTEGER, first INTEGER, last INTEGER NOT NULL, epoch INTEGER NOT NULL, at REAL NOT NULL,
  n INTEGER NOT NULL, asked INTEGER NOT NULL, known INTEGER NOT NULL, sums BLOB NOT NULL,
  PRIMARY KEY (topic, partition, first)) STRICT;
CREATE INDEX blocks_n ON blocks (n);
CREATE TABLE checkpoints (batch INTEGER, settings TEXT, file TEXT NOT NULL, digest TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (batch, settings)) STRICT;
CREATE TRIGGER query_issued AFTER INSERT ON queries BEGIN
  INSERT INTO counts VALUES (new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
  INSERT INTO counts VALUES ('issued', 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER query_moved AFTER UPDATE OF state ON queries WHEN old.state != new.state BEGIN
  UPDATE counts SET n = n - 1 WHERE name = old.state;
  INSERT INTO counts VALUES (new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
"""

CHALLENGES: Final = """
CREATE TABLE requests (place INTEGER PRIMARY KEY, what TEXT NOT NULL, recipe BLOB, at REAL NOT NULL) STRICT;
CREATE TABLE challenges (
  number INTEGER PRIMARY KEY, kind TEXT NOT NULL, recipe BLOB NOT NULL, against BLOB NOT NULL, at REAL NOT NULL,
  first INTEGER, contrasts BLOB NOT NULL, outcome TEXT, last INTEGER) STRICT;
CREATE TABLE choices (
  number INTEGER PRIMARY KEY, batch INTEGER NOT NULL, recipe BLOB, configured BLOB NOT NULL, at REAL NOT NULL) STRICT;
CREATE TABLE configured (one INTEGER PRIMARY KEY CHECK (one = 1), recipe BLOB NOT NULL) STRICT;
"""
DRIFT: Final = """
CREATE TABLE signals (place INTEGER PRIMARY KEY, yardstick INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE drifts (
  number INTEGER PRIMARY KEY, signal TEXT NOT NULL, detail TEXT NOT NULL, at REAL NOT NULL, arrivals INTEGER NOT NULL,
  until INTEGER NOT NULL, batch INTEGER, keep INTEGER NOT NULL) STRICT;
CREATE INDEX drifts_batch ON drifts (batch);
"""
EMBEDDINGS: Final = """
CREATE TABLE embeddings (
  encoder TEXT, text BLOB, vector BLOB NOT NULL, PRIMARY KEY (encoder, text)) STRICT, WITHOUT ROWID;
"""
STRETCHES: Final = """
CREATE TABLE stretches (
  epoch INTEGER, number INTEGER, n INTEGER NOT NULL, sums BLOB NOT NULL, PRIMARY KEY (epoch, number)) STRICT;
ALTER TABLE queries ADD COLUMN stretch INTEGER;
"""
OUTPUT_BUDGETS: Final = """
CREATE TABLE output_budgets (output TEXT PRIMARY KEY, scale REAL NOT NULL) STRICT;
"""
LIMITS: Final = """
ALTER TABLE requests ADD COLUMN most INTEGER;
ALTER TABLE challenges ADD COLUMN most INTEGER;
"""
# Each version of the file adds one.
SCHEMAS: Final = (SCHEMA, CHALLENGES, DRIFT, EMBEDDINGS, STRETCHES, OUTPUT_BUDGETS, LIMITS)
VERSION: Final = len(SCHEMAS)


class LedgerUnusable(Exception):
    """The ledger cannot be used; the text says why and what to do."""


class LedgerFile:
    """One SQLite file with one writer; `read_only` opens it beside a running service.

    `beside` opens it for one who only leaves word for the service, running or not.

    Raises:
        LedgerUnusable: missing (read only), in use by another writer, damaged, of a newer version, or no room.

    """

    def __init__(self, directory: Path, *, read_only: bool = False, beside: bool = False) -> None:
        self.path = directory / FILE
        self._lock: IO[str] | None = None
        self._sql: sqlite3.Connection | None = None
        if (read_only or beside) and not self.path.exists():
            raise LedgerUnusable(f"no ledger at {self.path}: nothing was learnt there; is --data-dir right?")
        try:
            if not read_only and not beside:
                directory.mkdir(parents=True, exist_ok=True)
                self._lock = _locked(directory / "ledger.lock")
            uri = f"{self.path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            self._sql = sqlite3.connect(uri, uri=True, timeout=10.0, isolation_level=None)
            self._prepare(read_only=read_only, beside=beside)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise self._unusable(error) from error
        except LedgerUnusable:
            self.close()
            raise

    @property
    def sql(self) -> sqlite3.Connection:
        """The open connection."""
        assert self._sql is not None
        return self._sql

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all that happens inside durable together, or none of it.

        Raises:
            LedgerUnusable: it could not be made durable (no room, damaged); nothing of it happened.

        """
        try:
            self.sql.execute("BEGIN IMMEDIATE")
            yield
            self.sql.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                if self.sql.in_transaction:
                    self.sql.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._unusable(error) from error
            raise

    def close(self) -> None:
        """Close the file and let go of the lock. Twice is once."""
        if self._sql is not None:
            self._sql.close()
        if self._lock is not None:
            self._lock.close()

    def _prepare(self, *, read_only: bool, beside: bool) -> None:
        found = self.sql.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise LedgerUnusable(f"ledger {self.path} is of version {found}; this program knows {VERSION}: upgrade it")
        if found < VERSION and (read_only or beside):
            raise LedgerUnusable(f"ledger {self.path} is of version {found}, not yet {VERSION}: start the service once")
        if read_only:
            self.sql.execute("BEGIN")  # all that is read is of one moment
            self.sql.execute("SELECT 1 FROM inputs")
            return
        self.sql.execute("PRAGMA synchronous = FULL")
        if beside:
            return
        self.sql.execute("PRAGMA journal_mode = WAL")
        if found < VERSION:
            with self.transaction():
                for statement in _statements("".join(SCHEMAS[found:])):
                    self.sql.execute(statement)
                self.sql.execute(f"PRAGMA user_version = {VERSION}")

    def _unusable(self, error: Exception) -> LedgerUnusable:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        todo = {
            sqlite3.SQLITE_FULL: "the disk is full: make room and start again; nothing is lost",
            sqlite3.SQLITE_READONLY: "give this user write access to the file and its folder",
            sqlite3.SQLITE_CANTOPEN: "check that the folder exists and this user may write there",
            sqlite3.SQLITE_CORRUPT: "the file is damaged: bring back a backup",
            sqlite3.SQLITE_NOTADB: "this is no ledger: bring back the right file, or name another data_dir",
            sqlite3.SQLITE_BUSY: "another process holds it: wait for it, or stop it",
        }.get(code, "check that the folder is writable, has room, and holds a ledger")
        return LedgerUnusable(f"ledger {self.path}: {error}; {todo}")


def _locked(path: Path) -> IO[str]:
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise LedgerUnusable(f"{path.parent}: another process learns there; stop it, or use another data_dir") from None
    return lock


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
