"""The learner's durable state in one SQLite file: queries, answers, batches of updates, inputs read, what to send.

One writer. Everything one step of learning changes is one SQL transaction: the answers, the batch they make, and the
place after them in the log. A batch is written here before the model learns from it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from models.coding import decode, encode
from models.joining import Outcome, State
from models.messages import Label, Query
from models.records import Outgoing, Position
from service.batches import Batches, shares_of
from service.challenges import Challenges
from service.drift import Drift
from service.embeddings import Embeddings
from service.evidence import Evidence
from service.ledger_file import LedgerFile, LedgerUnusable
from service.traffic import Traffic


class Kept(NamedTuple):
    """A query as the ledger keeps it."""

    query: Query
    state: State
    shares: Mapping[str, float]


class Checkpoint(NamedTuple):
    """Where the model's state after a batch is kept."""

    batch: int
    file: str
    digest: str


class Ledger:
    """See the module. Not for more than one thread; `read_only` and `beside` as for `LedgerFile`."""

    def __init__(self, directory: Path, *, read_only: bool = False, beside: bool = False) -> None:
        """Open the ledger of a data directory. Raises as `LedgerFile` does."""
        self._file = LedgerFile(directory, read_only=read_only, beside=beside)
        self._sql, self.path = self._file.sql, self._file.path
        self.traffic, self.evidence = Traffic(self._sql), Evidence(self._sql)
        self.challenges, self.drift = Challenges(self._sql), Drift(self._sql)
        self.batches = Batches(self._sql, self.evidence, self.drift)
        self.embeddings = Embeddings(self._sql, None if read_only else self._file.transaction)
        self.transaction, self.close = self._file.transaction, self._file.close

    # What was read

    def position(self, group: str) -> Position:
        """Where the learner goes on reading."""
        rows = self._sql.execute("SELECT topic, partition, next FROM inputs")
        return Position(group=group, offsets={(topic, partition): after for topic, partition, after in rows})

    def read_past(self, position: Position) -> None:
        """Record that everything before `position` is in the ledger."""
        self._sql.executemany(
            "INSERT INTO inputs VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
            [(topic, partition, after) for (topic, partition), after in position.offsets.items()],
        )

    def belong_to(self, log: str) -> None:
        """Say which log the places are of; the first to say so decides.

        Raises:
            LedgerUnusable: they are of another.

        """
        with self.transaction():
            self._sql.execute("INSERT OR IGNORE INTO belongs VALUES (1, ?)", (log,))
        kept = self._sql.execute("SELECT log FROM belongs").fetchone()[0]
        if kept != log:
            raise LedgerUnusable(
                f"ledger {self.path} belongs to {kept}, not to {log}: go on with that log, or use another data_dir"
            )

    # Queries and answers

    def add_query(self, query: Query, received_at: float) -> bool:
        """Keep a new query as open; False if it is known."""
        place = place_of(query.arrival)
        row = (query.id, query.arrival, query.product.id, encode(query), State.OPEN, received_at, query.expires_at)
        statement = "INSERT OR IGNORE INTO queries VALUES (?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, NULL, NULL)"
        added = self._sql.execute(statement, (*row, *place)).rowcount == 1
        if added:
            self.evidence.add_query(*place)
        return added

    def query(self, identity: str) -> Kept | None:
        """Return a query, or None if unknown."""
        row = self._sql.execute("SELECT body, state, shares FROM queries WHERE id = ?", (identity,)).fetchone()
        return None if row is None else Kept(decode(Query, row[0], limit=len(row[0])), State(row[1]), shares_of(row[2]))

    def move(self, identity: str, state: State, shares: Mapping[str, float]) -> None:
        """Set a query's state and what it teaches; an evaluated query changes what is known of the quality."""
        row = self._sql.execute("SELECT epoch, body, shares, stretch FROM queries WHERE id = ?", (identity,)).fetchone()
        if row is not None and row[0] is not None:
            query = decode(Query, row[1], limit=len(row[1]))
            self.evidence.change(query, row[0], row[3], shares_of(row[2]), shares)
        statement = "UPDATE queries SET state = ?, shares = ? WHERE id = ?"
        self._sql.execute(statement, (state, msgspec.msgpack.encode(shares), identity))

    def expire(self, now: float) -> int:
        """Expire every open query whose time has passed; return how many."""
        statement = "UPDATE queries SET state = 'expired' WHERE state = 'open' AND expires_at <= ?"
        return self._sql.execute(statement, (now,)).rowcount

    def add_answer(self, label: Label, received_at: float) -> int:
        """Keep a label for ever, whatever becomes of it; return its place."""
        row = (label.query, label.annotator, encode(label), received_at, Outcome.UNKNOWN_QUERY)
        statement = "INSERT INTO answers (query, annotator, body, received_at, outcome) VALUES (?, ?, ?, ?, ?)"
        return self._sql.execute(statement, row).lastrowid or 0

    def set_outcome(self, place: int, outcome: Outcome) -> None:
        """Record what became of the label at `place`."""
        self._sql.execute("UPDATE answers SET outcome = ? WHERE place = ?", (outcome, place))

    def answers(self, query: str) -> list[tuple[int, Label, float, Outcome]]:
        """All labels ever given to a query, in order: place, label, time received, outcome."""
        statement = "SELECT place, body, received_at, outcome FROM answers WHERE query = ? ORDER BY place"
        rows = self._sql.execute(statement, (query,))
        return [(place, decode(Label, body), at, Outcome(outcome)) for place, body, at, outcome in rows]

    # Counts

    def balance(self) -> dict[str, int]:
        """Queries issued and by state, as counted while they moved."""
        counts = dict(self._sql.execute("SELECT name, n FROM counts"))
        return {"issued": counts.get("issued", 0)} | {state.value: counts.get(state, 0) for state in State}

    def recount(self) -> dict[str, int]:
        """The same, counted from the queries themselves."""
        counts = dict(self._sql.execute("SELECT state, count(*) FROM queries GROUP BY state"))
        return {"issued": sum(counts.values())} | {state.value: counts.get(state, 0) for state in State}

    def outcomes(self) -> dict[str, int]:
        """Labels by what became of them."""
        return dict(self._sql.execute("SELECT outcome, count(*) FROM answers GROUP BY outcome ORDER BY outcome"))

    def queries_of(self, identity: str) -> list[str]:
        """Ids of the queries with this id, arrival or product."""
        statement = (
            "SELECT id FROM queries WHERE id = ?1 OR arrival = ?1 OR product = ?1 ORDER BY received_at LIMIT 100"
        )
        return [row[0] for row in self._sql.execute(statement, (identity,))]

    # What is to be sent

    def put_out(self, records: Iterable[Outgoing]) -> None:
        """Keep records until `sent`."""
        rows = [(record.topic, record.key, record.value) for record in records]
        self._sql.executemany("INSERT INTO outbox (topic, key, value) VALUES (?, ?, ?)", rows)

    def outbox(self) -> tuple[Outgoing, ...]:
        """Records not known to be sent, in order."""
        rows = self._sql.execute("SELECT topic, key, value FROM outbox ORDER BY place")
        return tuple(Outgoing(topic, key, value) for topic, key, value in rows)

    def sent(self) -> None:
        """Forget what was to be sent."""
        self._sql.execute("DELETE FROM outbox")

    # Checkpoints

    def add_checkpoint(self, checkpoint: Checkpoint, settings: str, at: float) -> None:
        """Point to a checkpoint that is safely on disk."""
        row = (checkpoint.batch, settings, checkpoint.file, checkpoint.digest, at)
        self._sql.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?)", row)

    def checkpoints(self, settings: str) -> list[Checkpoint]:
        """Checkpoints made under these model settings, newest first."""
        statement = "SELECT batch, file, digest FROM checkpoints WHERE settings = ? ORDER BY batch DESC"
        return [Checkpoint(*row) for row in self._sql.execute(statement, (settings,))]

    def forget_checkpoints(self, kept: int, names: Iterable[str] = ()) -> set[str]:
        """Forget all but the newest `kept`, in all and under each of these settings; return their files."""
        files = self._sql.execute("SELECT file FROM checkpoints ORDER BY batch DESC, at DESC").fetchall()
        left = {row[0] for row in files[:kept]} | {one.file for name in names for one in self.checkpoints(name)[:kept]}
        self._sql.executemany("DELETE FROM checkpoints WHERE file = ?", [row for row in files if row[0] not in left])
        return left


def place_of(arrival: str) -> tuple[str, int, int]:
    """Topic, partition and offset of an arrival; one without a place in the log gets -1 for both."""
    parts = arrival.rsplit("/", 2)
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
        return parts[0], int(parts[1]), int(parts[2])
    return arrival, -1, -1
