"""How members of a group share the partitions of the embedded log among themselves.

Every partition belongs to at most one member, and only its owner can publish past it. Members that are alive each have
a part, as even as it goes. One that comes waits until the others let go of what they no longer need, so nobody is
disturbed; what a dead one had is taken once its lease is over.
"""

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

Place = tuple[str, int]  # topic and partition
Owner = tuple[str, int]  # member and generation: how often somebody has joined by that name


@dataclass(frozen=True, slots=True)
class Change:
    """What a member has to do to have its part."""

    take: Collection[Place]
    release: Collection[Place]
    lost: Collection[Place]  # others have taken these

    def __bool__(self) -> bool:
        return bool(self.take or self.release)


class Membership:
    """One member of a group. All but `change` belongs in a transaction of the caller."""

    def __init__(self, db: sqlite3.Connection, group: str, member: str, lease: float) -> None:
        """Join. Whoever was a member by the same name is one no more, and what it owned is this one's."""
        self._db, self._group, self._lease = db, group, lease
        (generation,) = db.execute(
            "INSERT INTO members VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE"
            " SET generation = generation + 1, seen = excluded.seen RETURNING generation",
            (group, member, time.time()),
        ).fetchone()
        self.owner: Owner = (member, generation)
        db.execute("UPDATE claims SET generation = ? WHERE name = ? AND member = ?", (generation, group, member))
        self._beat = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the others are to be told that this member lives."""
        return time.monotonic() - self._beat > self._lease / 4

    def beat(self) -> None:
        """Tell the others that this member lives."""
        self._beat = time.monotonic()
        statement = "UPDATE members SET seen = ? WHERE name = ? AND member = ? AND generation = ?"
        self._db.execute(statement, (time.time(), self._group, *self.owner))

    def owned(self) -> set[Place]:
        """What belongs to this member."""
        return {place for place, owner in self._claims().items() if owner == self.owner}

    def change(self, places: Sequence[Place], held: Collection[Place], busy: Collection[Place]) -> Change:
        """What is to change, as the log has it now.

        Args:
            places: all there are, in an order that all members agree on.
            held: what this member thinks it owns.
            busy: those of them that it cannot let go of yet.

        """
        members = self._db.execute("SELECT member, generation, seen FROM members WHERE name = ?", (self._group,))
        known = {member: (generation, seen) for member, generation, seen in members}
        claims, since = self._claims(), time.time() - self._lease
        own, generation = self.owner
        lost = {place for place in held if claims.get(place) != self.owner}
        if known.get(own, (0, 0.0))[0] != generation:  # somebody else goes by this name now
            return Change((), (), lost)
        alive = sorted(member for member, (_, seen) in known.items() if member == own or seen > since)
        part = {place for n, place in enumerate(places) if alive[n % len(alive)] == own}
        free = {place for place in part if place not in claims or claims[place][0] not in alive}
        return Change(free, set(held) - part - set(busy) - lost, lost)

    def apply(self, change: Change) -> Mapping[Place, int]:
        """Do it; returns the group's past in what was taken, 0 where it has none."""
        release = [(self._group, *place) for place in change.release]
        self._db.executemany("DELETE FROM claims WHERE name = ? AND topic = ? AND partition = ?", release)
        taken = [(self._group, *place, *self.owner) for place in change.take]
        self._db.executemany("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?)", taken)
        past = self._db.execute("SELECT topic, partition, next FROM past WHERE name = ?", (self._group,))
        known = {(topic, partition): next_ for topic, partition, next_ in past}
        return {place: known.get(place, 0) for place in change.take}

    def leave(self) -> None:
        """Let go of everything, so that the others need not wait."""
        self._db.execute(
            "DELETE FROM claims WHERE name = ? AND member = ? AND generation = ?", (self._group, *self.owner)
        )
        statement = "UPDATE members SET seen = 0 WHERE name = ? AND member = ? AND generation = ?"
        self._db.execute(statement, (self._group, *self.owner))

    def _claims(self) -> dict[Place, Owner]:
        rows = self._db.execute(
            "SELECT topic, partition, member, generation FROM claims WHERE name = ?", (self._group,)
        )
        return {(topic, partition): (member, generation) for topic, partition, member, generation in rows}
