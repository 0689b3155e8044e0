"""What the service needs of a log it writes to."""

from collections.abc import Sequence
from typing import Protocol

from models.faults import LogRefused, LogUnavailable
from models.records import Outgoing, Position

__all__ = ["DeliveryFailed", "Fenced", "LogRefused", "LogUnavailable", "Producer", "RecordRefused"]


class DeliveryFailed(Exception):
    """A publish did not happen, or nobody can tell whether it did.

    Both clients must be dropped and opened again: the group's past, as the log has it, then says which it was.
    """


class Fenced(DeliveryFailed):
    """The same, since another writer has opened under this one's name, or the log gave this one up."""


class RecordRefused(Exception):
    """A record that the log will never take; nothing was written, and the same call would be refused again."""


class Producer(Protocol):
    """Atomic writing. One thread at a time."""

    def publish(self, records: Sequence[Outgoing], past: Position | None) -> None:
        """Make all `records` readable and `past` the group's past, or neither.

        `past` None publishes records alone. There is no other way to commit a position.

        Raises:
            DeliveryFailed: nothing of it, or an unknown outcome; never a part of it. Fenced if that is why.
            LogRefused: nothing of it; the log cannot be written until somebody changes something.
            RecordRefused: nothing of it; one record is too large, without the key it needs, or for no topic we know.

        """
        ...

    def close(self) -> None:
        """Let go of the log within seconds, whatever its state. Twice is once. Not guaranteed to be called."""
        ...
