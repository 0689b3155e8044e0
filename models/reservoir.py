"""A uniform sample of a stream from which things are also taken out again."""

import numpy as np

from models.hashing import uniforms
from models.state import State, tensor


class Reservoir:
    """A uniform sample of at most `limit` of all slots ever offered, also after some were withdrawn.

    Withdrawals are made good by later offers (random pairing: Gemulla, Lehner and Haas 2008), so that every offer that
    was not withdrawn has the same chance of being held. Chance comes from a hash of the key and the offers so far.
    """

    def __init__(self, limit: int, key: str) -> None:
        self.limit, self.key = limit, key
        self.slots: list[int] = []
        self.offers = 0  # ever made; numbers the draws
        self.standing = 0  # offered and not withdrawn
        self.lost_inside = 0  # withdrawals not yet made good: of slots that were held
        self.lost_outside = 0

    def offer(self, slot: int) -> int | None:
        """Take the slot in, or not; returns the slot that must go for it, perhaps itself."""
        self.offers += 1
        self.standing += 1
        chance, place = uniforms(2, self.key, self.offers)
        lost = self.lost_inside + self.lost_outside
        if lost:
            if chance * lost < self.lost_inside:
                self.lost_inside -= 1
                self.slots.append(slot)
                return None
            self.lost_outside -= 1
            return slot
        if len(self.slots) < self.limit:
            self.slots.append(slot)
            return None
        if chance * self.standing >= self.limit:
            return slot
        at = min(int(place * self.limit), self.limit - 1)
        gone, self.slots[at] = self.slots[at], slot
        return gone

    def withdraw(self, slot: int) -> bool:
        """Take a slot out; says whether it was held."""
        self.standing -= 1
        if slot not in self.slots:
            self.lost_outside += 1
            return False
        self.slots[self.slots.index(slot)] = self.slots[-1]
        self.slots.pop()
        self.lost_inside += 1
        return True

    def state(self) -> State:
        """The slots held, the limit and the counters."""
        counters = (self.limit, self.offers, self.standing, self.lost_inside, self.lost_outside)
        return {"slots": tensor(np.asarray(self.slots, np.int64)), "counters": tensor(np.asarray(counters, np.int64))}

    def restore(self, state: State) -> None:
        """Become the reservoir whose state this is."""
        self.slots = [int(slot) for slot in state["slots"]]
        self.limit, self.offers, self.standing, self.lost_inside, self.lost_outside = (
            int(counter) for counter in state["counters"]
        )
