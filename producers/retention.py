"""Forgetting in the embedded log: by age, by size and by key, a bounded piece at a time."""

import sqlite3
from typing import Final

WITHDRAWN_FOR: Final = 86_400.0
"""Seconds that a withdrawal stays in a compacted topic, so that slow readers see it."""


def trim(db: sqlite3.Connection, id_: int, span: tuple[int, int], *, cutoff: float, surplus: int, limit: int) -> None:
    """Forget up to `limit` oldest records of a partition that are older than `cutoff` or among the `surplus` bytes."""
    oldest = db.execute(
        "SELECT place, at, ifnull(length(key), 0) + ifnull(length(value), 0) FROM records"
        " WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
        (*span, limit),
    )
    freed, until = 0, span[0]
    for place, at, size in oldest:
        if at >= cutoff and freed >= surplus:
            break
        freed += size
        until = place + 1
    if until > span[0]:
        db.execute("DELETE FROM records WHERE place >= ? AND place < ?", (span[0], until))
        db.execute("UPDATE partitions SET first = ?, bytes = bytes - ? WHERE id = ?", (until - span[0], freed, id_))


def compact(db: sqlite3.Connection, id_: int, span: tuple[int, int], *, now: float, limit: int) -> int:
    """Forget up to `limit` records of a partition whose key has a newer one, and withdrawals that are old enough.

    Returns the bytes of keys and values that are left.
    """
    # What stands after a large value is slow to read, so the time only of withdrawals.
    db.execute(
        "DELETE FROM records WHERE place IN (SELECT place FROM ("
        " SELECT place, CASE WHEN value IS NULL THEN at < ? ELSE 0 END AS gone,"
        " row_number() OVER (PARTITION BY key ORDER BY place DESC) AS nth"
        " FROM records WHERE place >= ? AND place < ?) WHERE nth > 1 OR gone LIMIT ?)",
        (now - WITHDRAWN_FOR, *span, limit),
    )
    sizes = "SELECT ifnull(sum(length(key) + ifnull(length(value), 0)), 0) FROM records"
    (left,) = db.execute(f"{sizes} WHERE place >= ? AND place < ?", span).fetchone()
    db.execute("UPDATE partitions SET bytes = ? WHERE id = ?", (left, id_))
    return int(left)
