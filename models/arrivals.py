"""Parts of shipments as they come in, in any order, until a shipment is complete."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from models.coding import Malformed, read
from models.messages import SnapshotPart
from models.parts import TOPIC, digest_of, sha256
from models.records import Record

_LIMIT: Final = 2_000_000  # bytes of a record that is looked at
_LIVES: Final = 256  # of learners that are remembered


class Ignored(StrEnum):
    """Why a part, or a whole shipment, was not taken: the closed list."""

    FOREIGN = "foreign"  # no part of a shipment at all
    DAMAGED = "damaged"  # not what its digest says
    REPEATED = "repeated"  # there already, or of a shipment that is past
    UNREADABLE = "unreadable"  # its digests fit, but this program cannot read it
    CROWDED = "crowded"  # too much was waiting


class Unfit(Exception):
    """Parts that are not of one shipment."""


@dataclass(slots=True)
class Arriving:
    """A shipment of which some parts are there."""

    learner: str
    number: int
    base: str
    digest: str
    wanted: int
    parts: dict[int, SnapshotPart] = field(default_factory=dict)

    @classmethod
    def of(cls, part: SnapshotPart) -> "Arriving":
        """The one that a part is of."""
        return cls(part.learner, part.number, part.base, part.digest, part.parts)

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return sum(len(part.data) for part in self.parts.values())

    @property
    def complete(self) -> bool:
        """Whether all parts are there."""
        return len(self.parts) == self.wanted

    def body(self) -> bytes:
        """The whole; raises Unfit if it is not what its digest says."""
        parts = [self.parts[place] for place in range(self.wanted)]
        digest = digest_of(self.learner, self.number, self.base, [part.part_digest for part in parts])
        if digest != self.digest:
            raise Unfit
        return b"".join(part.data for part in parts)


class Arrivals:
    """Shipments that wait for parts or for what they build on; of bounded size."""

    def __init__(self, most_bytes: int) -> None:
        self.ignored: Counter[Ignored] = Counter()
        self._most, self._bytes = most_bytes, 0
        self._waiting: dict[str, Arriving] = {}  # by digest, in the order they came
        self._past: dict[str, int] = {}  # the last shipment that is done with, of each learner's life

    def add(self, record: Record) -> None:
        """Take in what a record holds; whatever is no part of a shipment is counted and left."""
        if record.topic == TOPIC and record.value is None:
            return  # a part that nobody needs any more
        try:
            part = read(SnapshotPart, record, limit=_LIMIT)
        except Malformed:
            self.ignored[Ignored.FOREIGN] += 1
            return
        if part.part_digest != sha256(part.data) or part.part >= part.parts:
            self.ignored[Ignored.DAMAGED] += 1
            return
        if part.number <= self._past.get(part.learner, -1):
            self.ignored[Ignored.REPEATED] += 1
            return
        arriving = self._waiting.setdefault(part.digest, Arriving.of(part))
        if part.part in arriving.parts:
            self.ignored[Ignored.REPEATED] += 1
            return
        arriving.parts[part.part] = part
        self._bytes += len(part.data)
        while self._bytes > self._most:
            self.drop(next(iter(self._waiting.values())), Ignored.CROWDED)

    def next(self, held: str) -> Arriving | None:
        """The full shipment that came last, if one is complete; else the increment on the one whose digest is held."""
        complete = [arriving for arriving in self._waiting.values() if arriving.complete]
        full = next((arriving for arriving in reversed(complete) if not arriving.base), None)
        return full or next((arriving for arriving in complete if arriving.base == held), None)

    def drop(self, arriving: Arriving, reason: Ignored | None = None) -> None:
        """Let go of a shipment; it may come again."""
        del self._waiting[arriving.digest]
        self._bytes -= arriving.size
        if reason is not None:
            self.ignored[reason] += 1

    def taken(self, one: Arriving) -> None:
        """Let go of a shipment, and of those that it makes needless; they are refused should they come again.

        These are earlier ones of its learner, and if it is a full one those that came from other learners before.
        """
        before = True
        for each in list(self._waiting.values()):
            before = before and each is not one
            earlier = each.number < one.number if each.learner == one.learner else before and not one.base
            if each is one or earlier:
                self.drop(each)
                self._past[each.learner] = max(each.number, self._past.pop(each.learner, -1))
        while len(self._past) > _LIVES:
            del self._past[next(iter(self._past))]
