"""Which answered products are remembered: a uniform sample of all, and of each output's positives."""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.features import Bytes, Features
from models.hashing import name_hash, uniforms
from models.reservoir import Reservoir
from models.state import State, array, moved, names, part, prefixed, tensor, texts
from models.table import Floats, extend

_FIRST_SLOTS: Final = 256
_NO_EMBEDDING: Final = np.zeros(0, np.int8)


class Memory:
    """Answered products by slot, with what the model keeps of each; a slot is free again when nobody holds it.

    At most `limit` slots by the uniform sample and `limit` more by the positives of all outputs together.
    """

    def __init__(self, outputs: Sequence[str], *, limit: int, positives: int, key: str, dimensions: int = 0) -> None:
        self.limit, self.most, self.key = limit, positives, key
        self.everything = Reservoir(limit, f"{key}/all")
        self.positives = [self._reservoir(name, len(outputs)) for name in outputs]
        width = len(outputs)
        self.queries: list[str | None] = []
        self.features: list[tuple[NDArray[np.int64], Floats]] = []
        self.slot_of: dict[str, int] = {}
        self.targets = np.full((_FIRST_SLOTS, width), np.nan, np.float32)
        self.weights = np.ones((_FIRST_SLOTS, width), np.float32)
        self.share = np.zeros((_FIRST_SLOTS, width), np.float32)
        self.scale = np.zeros(_FIRST_SLOTS, np.float32)
        self.hashes = np.zeros(_FIRST_SLOTS, np.uint64)
        self.embeddings = np.zeros((_FIRST_SLOTS, dimensions), np.int8)
        self._holders = np.zeros(_FIRST_SLOTS, np.int64)
        self._vacant: list[int] = []  # a heap: the lowest free slot is taken first
        self._doomed: list[int] = []

    def __len__(self) -> int:
        return len(self.slot_of)

    @property
    def answered(self) -> float:
        """How many answers were ever given and not withdrawn."""
        return float(self.everything.standing)

    def add(
        self, query: str, ids: NDArray[np.int64], values: Floats, targets: Floats, weights: Floats,
        embedding: Bytes = _NO_EMBEDDING,
    ) -> int:  # fmt: skip
        """Remember an answered product; its slot stays at least until the next `sweep`."""
        slot = heappop(self._vacant) if self._vacant else len(self.queries)
        if slot == len(self.queries):
            self.queries.append(None)
            self.features.append((ids, values))
            if slot == len(self.scale):
                self._extend(2 * slot)
        self.queries[slot], self.features[slot] = query, (ids, values)
        self.slot_of[query] = slot
        self.targets[slot], self.weights[slot], self.share[slot], self.scale[slot] = targets, weights, 0.0, 0.0
        self.hashes[slot], self.embeddings[slot] = name_hash(query), embedding
        held = [self.everything, *(self.positives[k] for k in np.flatnonzero(targets > 0.5))]
        for reservoir in held:
            gone = reservoir.offer(slot)
            self._holders[slot] += 1
            if gone is not None:
                self._holders[gone] -= 1
                self._doomed.append(gone)
        return slot

    def remove(self, query: str) -> None:
        """Forget a query, if it is remembered."""
        slot = self.slot_of.get(query)
        if slot is None:
            return
        self.everything.withdraw(slot)
        for k in np.flatnonzero(self.targets[slot] > 0.5):
            self.positives[k].withdraw(slot)
        self._free(slot)

    def sweep(self) -> None:
        """Free the slots that the last additions pushed out of every sample."""
        for slot in self._doomed:
            if self.queries[slot] is not None and not self._holders[slot]:
                self._free(slot)
        self._doomed.clear()

    def _free(self, slot: int) -> None:
        name = self.queries[slot]
        if name is not None:
            del self.slot_of[name]
        self.queries[slot] = None
        self._holders[slot] = 0
        heappush(self._vacant, slot)
        self.features[slot] = (np.zeros(0, np.int64), np.zeros(0, np.float32))

    def _extend(self, size: int) -> None:
        self.targets, self.weights, self.share = (extend(c, size) for c in (self.targets, self.weights, self.share))
        self.scale, self.hashes = extend(self.scale, size), extend(self.hashes, size)
        self.embeddings = extend(self.embeddings, size)
        self._holders = extend(self._holders, size)

    def batch(self, slots: Sequence[int]) -> Features:
        """The features of some slots."""
        ids, values = zip(*[self.features[slot] for slot in slots], strict=True) if slots else ((), ())
        offsets = np.zeros(len(slots) + 1, np.int64)
        np.cumsum([len(some) for some in ids], out=offsets[1:])
        return Features(
            np.concatenate(ids) if slots else np.zeros(0, np.int64),
            np.concatenate(values) if slots else np.zeros(0, np.float32),
            offsets,
            self.embeddings[slots] if slots else self.embeddings[:0],
        )

    def choose(self, size: int, balanced: float, *key: str | int) -> list[int]:
        """Slots to learn from again, as the key has it; a share `balanced` of them positives of outputs in turn."""
        numbers = uniforms(3 * size, self.key, *key).reshape(size, 3).tolist()
        rare = [reservoir.slots for reservoir in self.positives if reservoir.slots]
        chosen = []
        for which, first, second in numbers:
            if rare and which < balanced:
                among = rare[int(first * len(rare))]
                chosen.append(among[int(second * len(among))])
            elif self.everything.slots:
                chosen.append(self.everything.slots[int(first * len(self.everything.slots))])
        return chosen

    def state(self) -> State:
        """All slots up to the last ever used, free ones among them."""
        n = len(self.queries)
        lengths = np.asarray([len(ids) for ids, _ in self.features], np.int64)
        features = self.batch(range(n))
        state = {
            "queries": texts([name or "" for name in self.queries]),
            "used": tensor(np.asarray([name is not None for name in self.queries], np.bool_)),
            "lengths": tensor(lengths),
            "ids": tensor(features.ids),
            "values": tensor(features.values),
            **{name: tensor(getattr(self, name)[:n]) for name in ("targets", "weights", "share", "scale", "hashes")},
            **prefixed("all", self.everything.state()),
        }
        if self.embeddings.shape[1]:
            state["embeddings"] = tensor(self.embeddings[:n])
        for k, reservoir in enumerate(self.positives):
            state.update(prefixed(f"positives{k}", reservoir.state()))
        return state

    def restore(self, state: State) -> None:
        """Become the memory whose state this is."""
        used = array(state["used"])
        self.queries = [name if held else None for name, held in zip(names(state["queries"]), used, strict=True)]
        self.slot_of = {name: slot for slot, name in enumerate(self.queries) if name is not None}
        ends = np.cumsum(array(state["lengths"]))[:-1]
        ids, values = array(state["ids"]).astype(np.int64), array(state["values"]).astype(np.float32)
        self.features = list(zip(np.split(ids, ends), np.split(values, ends), strict=True)) if self.queries else []
        size = max(_FIRST_SLOTS, len(self.queries))
        for name in ("targets", "weights", "share", "scale"):
            setattr(self, name, extend(array(state[name]).astype(np.float32), size))
        self.hashes = extend(array(state["hashes"]).view(np.uint64), size)
        kept = array(state["embeddings"]).astype(np.int8) if self.embeddings.shape[1] else self.embeddings[:0]
        self.embeddings = extend(kept, size)
        self.everything.restore(part("all", state))
        for k, reservoir in enumerate(self.positives):
            reservoir.restore(part(f"positives{k}", state))
        self._vacant = [slot for slot, name in enumerate(self.queries) if name is None]
        self._recount()

    def rearrange(self, outputs: Sequence[str], sources: NDArray[np.int64]) -> None:
        """Go on with other outputs: output i is what was `sources[i]`, or never answered where that is -1."""
        self.targets = moved(self.targets, sources, np.nan, axis=1)
        self.weights = moved(self.weights, sources, 1.0, axis=1)
        self.share = moved(self.share, sources, 0.0, axis=1)
        old = self.positives
        self.positives = [
            old[source] if source >= 0 else self._reservoir(name, len(outputs))
            for name, source in zip(outputs, sources, strict=True)
        ]
        self._recount()
        self._doomed.extend(range(len(self.queries)))
        self.sweep()

    def _reservoir(self, output: str, outputs: int) -> Reservoir:
        return Reservoir(max(1, min(self.most, self.limit // outputs)), f"{self.key}/{output}")

    def _recount(self) -> None:
        held = [slot for reservoir in (self.everything, *self.positives) for slot in reservoir.slots]
        self._holders = np.bincount(held, minlength=len(self.scale)).astype(np.int64) if held else self._holders * 0
        self._holders = extend(self._holders, len(self.scale))
