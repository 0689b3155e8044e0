"""The model that learns: lessons in, numbered; snapshots out; its whole state as tensors."""

from collections.abc import Sequence

import numpy as np
import torch

from models.calibration import Calibration
from models.counts import Counts
from models.embeddings import UNENCODED, Encoder, beginning, read
from models.features import Features
from models.hashing import integers, name_hash
from models.lessons import LearnerSettings, Lesson, Progress, bootstrap, bounds, check, distinct, importance, sort_out
from models.linear import Linear
from models.messages import Product
from models.names import Names
from models.replay import Memory
from models.snapshot import Shelf, Snapshot
from models.state import State, digest, names, part, prefixed, tensor, texts
from models.table import Directory, Floats, Rows, weigh
from models.training import Network

__all__ = ["Learner", "LearnerSettings", "Lesson", "Progress"]

_SAMPLE = 256  # features whose log odds are looked at per batch


class Learner:
    """The masters, and all else that learning depends on.

    What it becomes is a function of outputs, settings, seed and the batches it was given, on the same device with
    the same number of threads. The cost of a lesson does not depend on how many came before. One thread at a time; its
    snapshots may be read by any number.
    """

    def __init__(
        self, outputs: Sequence[str], settings: LearnerSettings, *, seed: int, device: str = "cpu",
        encoder: Encoder = UNENCODED,
    ) -> None:  # fmt: skip
        distinct(outputs)
        self.outputs = tuple(outputs)
        self.settings, self.seed, self.version = settings, seed, 0
        self.device, self.encoder = torch.device(device), encoder
        width = len(self.outputs)
        linear, rows, slots = bounds(settings, width, encoder.dimensions)
        self._directory = Directory(bits=settings.bits, limit=rows, rarity=settings.rarity)
        start = beginning(self.outputs, encoder, settings)
        self._linear = Linear(
            0, width if linear else 0, start, settings.encoder_scale, settings.names, settings.names_pace
        )
        self._names = Names(self.outputs, bits=settings.bits)
        self._network = Network(self.outputs, settings, seed=seed, device=self.device)
        self._memory = Memory(
            self.outputs, limit=slots, positives=settings.memory_positives, key=str(seed),
            dimensions=encoder.dimensions,
        )  # fmt: skip
        self._counts = Counts(width, even=settings.even)
        self._calibration = Calibration.within(settings, width)
        self._shelf = self._new_shelf()
        self._changed: list[Rows] = []
        self._latest: Snapshot | None = None  # of the model as it is now

    def update(self, number: int, lessons: Sequence[Lesson]) -> Progress:
        """Learn from one numbered batch; of several lessons for one query the last counts.

        Raises:
            ValueError: `number` does not follow the version, or a lesson does not fit; nothing was learnt then.

        """
        self._follow(number)
        for lesson in lessons:
            check(lesson, len(self.outputs))
        known, withdrawn = sort_out(lessons)
        features = self.read([lesson.product for lesson in known])
        self._calibration.forget(withdrawn)
        if known and self._calibration.limit:
            self._calibration.confront(known, self.snapshot().members(features), self._memory.slot_of)
        forgotten = sum([self._forget(query) for query in (*withdrawn, *(lesson.query for lesson in known))])
        slots = self._remember(known, features, number)
        loss, rehearsed = self._fit_linear(slots, number)
        steps = self._fit_network(slots, number)
        self._memory.sweep()
        self._calibration.fit_if_due(self._counts.bias())
        self.version, self._latest = number, None
        return Progress(
            version=number, lessons=len(known), forgotten=forgotten, steps=steps, rehearsed=rehearsed, loss=loss,
            remembered=len(self._memory), rows=self._directory.count,
        )  # fmt: skip

    def read(self, products: Sequence[Product]) -> Features:
        """The features that it, and what it serves, go by."""
        return read(products, self.encoder, bits=self.settings.bits)

    def change_outputs(self, number: int, outputs: Sequence[str]) -> None:
        """Go on with other outputs, in their order; those in both keep what they have learnt. Counts as a batch.

        Raises:
            ValueError: `number` does not follow the version, or an output is named twice.

        """
        self._follow(number)
        distinct(outputs)
        before = {name: k for k, name in enumerate(self.outputs)}
        sources = np.asarray([before.get(name, -1) for name in outputs], np.int64)
        linear, rows, _ = bounds(self.settings, len(outputs))
        self._directory.limit = rows
        self._linear.rearrange(sources, on=linear, encoded=beginning(outputs, self.encoder, self.settings))
        self._names = Names(outputs, bits=self.settings.bits)
        self._network.rearrange(outputs, sources, self._directory.ids)
        self._memory.rearrange(outputs, sources)
        self._counts.rearrange(sources)
        self._calibration.rearrange(sources)
        self.outputs, self.version, self._latest = tuple(outputs), number, None
        self._shelf = self._new_shelf()
        self._changed = [np.arange(self._directory.count)]

    def recalibrate(self, number: int, keep: int) -> None:
        """Calibrate anew, on the newest `keep` answers alone. Counts as a batch; ValueError if it does not follow."""
        self._follow(number)
        self._calibration.restart(keep, self._counts.bias())
        self.version, self._latest = number, None

    def snapshot(self) -> Snapshot:
        """The model as it is now, to serve; nothing that happens later touches it."""
        if self._latest is not None:
            return self._latest
        directory, network = self._directory, self._network
        changed = np.unique(np.concatenate(self._changed)) if self._changed else np.zeros(0, np.int64)
        self._shelf.put(changed, (self._linear.weights, self._linear.yes, network.embedding), directory.count)
        linear, yes, embedding = self._shelf.tables
        self._changed.clear()
        bias = self._counts.offsets(self.settings)
        rarity, absent = directory.rarity(self._memory.answered)
        self._latest = Snapshot(
            version=self.version, outputs=self.outputs, thresholds=self._calibration.thresholds.copy(),
            prevalence=self._counts.prevalence(), places=directory.places, shelves=self._shelf.places,
            linear=linear, yes=yes, embedding=embedding,
            seen=directory.seen[: directory.count].copy(), relevance=self._counts.relevance(),
            arrivals=self._counts.arrivals(), cost=self.settings.cost,
            rarity=rarity, absent=absent, bias=bias.serving,
            intercept=bias.serving + self._linear.constant(), prior=network.prior, sketch=self.settings.sketch,
            names=self._names, named=self._linear.named.copy(), names_pace=self.settings.names_pace,
            encoded=self._linear.encoded.copy(), encoder_scale=self.settings.encoder_scale,
            mix=self.settings.mix if self._linear.width else 1.0, spread=self.settings.spread,
            scaling=self._calibration.scaling, dense={name: value.clone() for name, value in network.served.items()},
        )  # fmt: skip
        return self._latest

    def state(self) -> State:
        """All that the future depends on, as tensors; of the tables only the rows in use."""
        count = self._directory.count
        return {
            "outputs": texts(self.outputs),
            "version": tensor([self.version]),
            "seed": tensor([self.seed]),
            **prefixed("linear", self._linear.state(count)),
            **prefixed("network", self._network.state(count)),
            **{key: value for name, one in self._parts().items() for key, value in prefixed(name, one.state()).items()},
        }

    def restore(self, state: State) -> None:
        """Become the learner whose state this is: the same updates then give the same digests.

        Raises:
            ValueError: the state is of other outputs or of another seed.

        """
        if tuple(names(state["outputs"])) != self.outputs or int(state["seed"][0]) != self.seed:
            raise ValueError("the state is of another learner: outputs or seed differ")
        self.version = int(state["version"][0])
        for name, one in self._parts().items():
            one.restore(part(name, state))
        size = len(self._directory.ids)
        self._linear.restore(part("linear", state), size)
        self._network.restore(part("network", state), size)
        self._shelf, self._latest = self._new_shelf(), None
        self._changed = [np.arange(self._directory.count)]

    def digest(self) -> str:
        """SHA-256 over the state, names and shapes included."""
        return digest(self.state())

    def _parts(self) -> dict[str, Counts | Directory | Memory | Calibration]:
        memory, calibration = self._memory, self._calibration
        return {"counts": self._counts, "directory": self._directory, "memory": memory, "calibration": calibration}

    def _follow(self, number: int) -> None:
        if number != self.version + 1:
            raise ValueError(f"batch {number} does not follow version {self.version}")

    def _forget(self, query: str) -> bool:
        memory, slot = self._memory, self._memory.slot_of.get(query)
        if slot is None:
            return False
        rows, values = self._rows(slot)
        likeness = self._names.likeness(memory.batch([slot]))[0]
        self._linear.forget(
            rows, values, memory.share[slot], float(memory.scale[slot]), likeness, memory.embeddings[slot]
        )
        self._directory.seen[rows] -= np.minimum(1.0, self._directory.seen[rows])
        self._linear.count(rows, memory.targets[slot], -1.0)
        self._counts.add(memory.targets[slot], memory.weights[slot], -1.0)
        self._changed.append(rows)
        memory.remove(query)
        return True

    def _new_shelf(self) -> Shelf:
        return Shelf(self._linear.width, self._linear.width, self._network.embedding.shape[1])

    def _rows(self, slot: int) -> tuple[Rows, Floats]:
        ids, values = self._memory.features[slot]
        rows = self._directory.find(ids)
        known = rows >= 0
        return (rows, values) if known.all() else (rows[known], values[known])

    def _remember(self, lessons: Sequence[Lesson], features: Features, number: int) -> list[int]:
        if not lessons:
            return []
        rows, fresh = self._directory.admit(features.ids, number)
        self._linear.open(fresh, len(self._directory.ids))
        self._network.open(fresh, self._directory.ids[fresh], len(self._directory.ids))
        self._changed.append(fresh)
        np.add.at(self._directory.seen, rows[rows >= 0], np.float32(1.0))
        slots = []
        for i, lesson in enumerate(lessons):
            at = slice(features.offsets[i], features.offsets[i + 1])
            weights = np.where(np.isnan(lesson.targets), 1.0, 1.0 / lesson.chance).astype(np.float32)
            self._counts.add(lesson.targets, weights, 1.0)
            self._linear.count(rows[at][rows[at] >= 0], lesson.targets, 1.0)
            hashed = features.ids[at], features.values[at]
            slots.append(self._memory.add(lesson.query, *hashed, lesson.targets, weights, features.embeddings[i]))
        return slots

    def _fit_linear(self, slots: list[int], number: int) -> tuple[float, int]:
        if not slots or not self._linear.width:
            return float("nan"), 0
        memory, directory = self._memory, self._directory
        sampled = integers(_SAMPLE, directory.count, self.seed, "relevance", number)
        self._counts.sample(self._linear.yes[sampled], directory.seen[sampled])
        relevance = self._counts.relevance()
        order = [*slots, *memory.choose(self.settings.rehearsals * len(slots), 0.0, "linear", number)]
        rarity, _ = directory.rarity(memory.answered)
        bias = self._counts.offsets(self.settings).learning
        cost = np.float32(self.settings.cost) * importance(self.settings, order, memory)
        likeness = self._names.likeness(memory.batch(order))
        losses = []
        for place, slot in enumerate(order):
            rows, values = self._rows(slot)
            targets = memory.targets[slot]
            memory.share[slot], memory.scale[slot], outside = self._linear.learn(
                rows, values, rarity[rows], relevance.of(self._linear.yes[rows], directory.seen[rows]),
                memory.share[slot], float(memory.scale[slot]),
                bias=bias, targets=targets, cost=cost[place], likeness=likeness[place],
                embedding=memory.embeddings[slot],
            )  # fmt: skip
            self._changed.append(rows)
            if place < len(slots):
                losses.append(np.nanmean(np.logaddexp(0.0, outside) - outside * targets))
        return float(np.mean(losses)), len(order)

    def _fit_network(self, slots: list[int], number: int) -> int:
        if not slots:
            return 0
        s, memory = self.settings, self._memory
        steps = int(np.ceil(s.steps_per_lesson * len(slots)))
        rarity, absent = self._directory.rarity(memory.answered)
        bias, fresh = self._counts.offsets(s).learning, slots[: s.batch // 2]
        outputs = np.asarray([name_hash(name) for name in self.outputs], np.uint64)
        for step in range(steps):
            chosen = [*fresh, *memory.choose(s.batch - len(fresh), s.balanced, "network", number, step)]
            features = memory.batch(chosen)
            bag = weigh(features, self._directory.places, rarity, absent)
            counts = bootstrap(s, memory.hashes[chosen], outputs)
            weights = counts * importance(s, chosen, memory)[:, :, None]
            self._changed.append(self._network.step(features, bag, bias, memory.targets[chosen], weights))
        return steps
