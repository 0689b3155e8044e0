"""Where reading of a partition of Kafka goes on, and when that is doubted, whichever client reads it."""

from typing import Final

from consumers.port import LogRefused

IDLE: Final = 30.0
"""After so many seconds without a record a reader asks the brokers whether there really is none."""


def going_on(topic: str, partition: int, *, at: int, first: int, end: int) -> int:
    """The offset to go on at: `at`, or the first there is if that is later.

    Raises:
        LogRefused: it lies beyond the end, so the position is of another log, or this one has lost records.

    """
    at = max(at, first)
    if at > end:
        raise LogRefused(
            f"{topic}/{partition} of this Kafka ends at {end}, but reading is to go on at {at}: this is another log, "
            "or it has lost records; connect to the log that belongs to this state, or begin anew"
        )
    return at
