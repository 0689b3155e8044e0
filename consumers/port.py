"""What the service needs of a log it reads from."""

from collections.abc import Mapping
from typing import Protocol

from models.faults import LogRefused, LogUnavailable
from models.records import Position, Record

__all__ = ["Consumer", "LogRefused", "LogUnavailable"]


class Consumer(Protocol):
    """Records of some topics, in log order within each partition.

    Guarantees: a record is returned once by one consumer unless `seek` goes back; after a crash or `close`, a consumer
    of the same group goes on at the last position that a `Producer.publish` made the group's past, so what was polled
    but not published past comes again. No order is promised between partitions. One thread at a time.
    """

    def poll(self, limit: int, timeout: float) -> list[Record]:
        """Return up to `limit` next records, waiting at most `timeout` seconds for the first; empty if none came.

        Raises:
            LogUnavailable: the log is out of reach; this consumer is then only good for `close`.
            LogRefused: the same, and waiting will not heal it.

        """
        ...

    def position(self) -> Position:
        """Where the log would go on after everything polled so far."""
        ...

    def seek(self, position: Position) -> None:
        """Go on at `position`; partitions it does not name start at their beginning.

        Only for a consumer that keeps its own offsets: a member of a group goes on where the group stands.

        Raises:
            LogRefused: the position lies beyond the log's end, so it is of another log, or this one has lost records.

        """
        ...

    def committed(self) -> Position:
        """The group's past as the log has it."""
        ...

    def lag(self) -> Mapping[tuple[str, int], int]:
        """Records not yet polled, by (topic, partition); as last seen, without waiting."""
        ...

    def close(self) -> None:
        """Let go of the log within seconds, whatever its state. Twice is once. Not guaranteed to be called."""
        ...
