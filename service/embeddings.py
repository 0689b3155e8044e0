"""What a pretrained encoder said, in the ledger, so that nothing learnt from is ever encoded a second time."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext


class Embeddings:
    """The ledger's part that keeps embeddings, by the encoder's digest and the text's key."""

    def __init__(self, sql: sqlite3.Connection, transaction: Callable[[], AbstractContextManager[None]] | None) -> None:
        """Read from `sql`; write in transactions, or not at all where there are none."""
        self._sql, self._transaction = sql, transaction

    def kept(self, encoder: str, texts: Sequence[bytes]) -> dict[bytes, bytes]:
        """The embeddings of those of the texts that are kept."""
        statement = "SELECT vector FROM embeddings WHERE encoder = ? AND text = ?"
        rows = ((text, self._sql.execute(statement, (encoder, text)).fetchone()) for text in texts)
        return {text: row[0] for text, row in rows if row is not None}

    def keep(self, encoder: str, rows: Mapping[bytes, bytes]) -> None:
        """Keep embeddings by text for ever, within the transaction there is or one of their own.

        What is kept already stays. A ledger only read keeps nothing.
        """
        if self._transaction is not None:
            with nullcontext() if self._sql.in_transaction else self._transaction():
                added = [(encoder, text, vector) for text, vector in rows.items()]
                self._sql.executemany("INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", added)
