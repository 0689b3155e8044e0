"""What learning changes: directory, linear path, network, memory and counts, moved together."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.counts import Counts
from models.embeddings import Encoder, beginning
from models.features import Features
from models.lessons import LearnerSettings, Lesson, bounds
from models.linear import Linear
from models.names import names_for
from models.replay import Memory
from models.state import State, part, prefixed
from models.table import Directory, Floats, Rows
from models.training import Network


class Masters:
    """The parts that are learnt, never served themselves.

    A feature has the same row in all tables, and an answer that is remembered is in the counts, the tables and the
    linear path as well: taking it in, forgetting it and changing the outputs go through all of them.
    """

    def __init__(
        self, outputs: Sequence[str], settings: LearnerSettings, *, seed: int, device: torch.device, encoder: Encoder
    ) -> None:
        self.outputs = tuple(outputs)
        self.settings, self.seed, self.encoder = settings, seed, encoder
        width = len(self.outputs)
        linear, rows, slots = bounds(settings, width, encoder.dimensions)
        self.directory = Directory(bits=settings.bits, limit=rows, rarity=settings.rarity)
        start = beginning(self.outputs, encoder, settings)
        self.linear = Linear(
            0, width if linear else 0, start, settings.encoder_scale, settings.names, settings.names_pace
        )
        self.names = names_for(self.outputs, settings.bits)
        self.network = Network(self.outputs, settings, seed=seed, device=device)
        self.memory = Memory(
            self.outputs, limit=slots, positives=settings.memory_positives, key=str(seed),
            dimensions=encoder.dimensions,
        )  # fmt: skip
        self.counts = Counts(width, even=settings.even)
        self.changed: list[Rows] = []  # rows of the tables that the next snapshot has to copy

    def rows(self, slot: int) -> tuple[Rows, Floats]:
        """Table rows and values of a remembered product's features; those that lost their row are left out."""
        ids, values = self.memory.features[slot]
        rows = self.directory.find(ids)
        known = rows >= 0
        return (rows, values) if known.all() else (rows[known], values[known])

    def remember(self, lessons: Sequence[Lesson], features: Features, number: int) -> list[int]:
        """Take new answers in, to be learnt from as batch `number`; returns their slots."""
        if not lessons:
            return []
        rows, fresh = self.directory.admit(features.ids, number)
        self.linear.open(fresh, len(self.directory.ids))
        self.network.open(fresh, self.directory.ids[fresh], len(self.directory.ids))
        self.changed.append(fresh)
        np.add.at(self.directory.seen, rows[rows >= 0], np.float32(1.0))
        slots = []
        for i, lesson in enumerate(lessons):
            at = slice(features.offsets[i], features.offsets[i + 1])
            weights = np.where(np.isnan(lesson.targets), 1.0, 1.0 / lesson.chance).astype(np.float32)
            self.counts.add(lesson.targets, weights, 1.0)
            self.linear.count(rows[at][rows[at] >= 0], lesson.targets, 1.0)
            hashed = features.ids[at], features.values[at]
            slots.append(self.memory.add(lesson.query, *hashed, lesson.targets, weights, features.embeddings[i]))
        return slots

    def forget(self, query: str) -> bool:
        """Take a query's answers out of all but the network, which forgets by itself; False if it is not remembered."""
        memory, slot = self.memory, self.memory.slot_of.get(query)
        if slot is None:
            return False
        rows, values = self.rows(slot)
        likeness = self.names.likeness(memory.batch([slot]))[0]
        self.linear.forget(
            rows, values, memory.share[slot], float(memory.scale[slot]), likeness, memory.embeddings[slot]
        )
        self.directory.seen[rows] -= np.minimum(1.0, self.directory.seen[rows])
        self.linear.count(rows, memory.targets[slot], -1.0)
        self.counts.add(memory.targets[slot], memory.weights[slot], -1.0)
        self.changed.append(rows)
        memory.remove(query)
        return True

    def rearrange(self, outputs: Sequence[str], sources: NDArray[np.int64]) -> None:
        """Go on with other outputs: output i is what was `sources[i]`, or fresh where that is -1."""
        linear, rows, _ = bounds(self.settings, len(outputs))
        self.directory.limit = rows
        self.linear.rearrange(sources, on=linear, encoded=beginning(outputs, self.encoder, self.settings))
        self.names = names_for(tuple(outputs), self.settings.bits)
        self.network.rearrange(outputs, sources, self.directory.ids)
        self.memory.rearrange(outputs, sources)
        self.counts.rearrange(sources)
        self.outputs, self.changed = tuple(outputs), [np.arange(self.directory.count)]

    def state(self) -> State:
        """All parts; of the tables only the rows in use."""
        count = self.directory.count
        return {
            **prefixed("linear", self.linear.state(count)),
            **prefixed("network", self.network.state(count)),
            **prefixed("counts", self.counts.state()),
            **prefixed("directory", self.directory.state()),
            **prefixed("memory", self.memory.state()),
        }

    def restore(self, state: State) -> None:
        """Become the masters whose state this is."""
        self.counts.restore(part("counts", state))
        self.directory.restore(part("directory", state))
        self.memory.restore(part("memory", state))
        size = len(self.directory.ids)
        self.linear.restore(part("linear", state), size)
        self.network.restore(part("network", state), size)
        self.changed = [np.arange(self.directory.count)]
