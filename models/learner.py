"""The model that learns: lessons in, numbered; snapshots out; its whole state as tensors."""

from collections.abc import Sequence

import numpy as np
import torch

from models.calibration import Calibration
from models.embeddings import UNENCODED, Encoder, read
from models.features import Features
from models.fitting import fit_linear, fit_network
from models.lessons import LearnerSettings, Lesson, Progress, check, distinct, follow, sort_out
from models.masters import Masters
from models.messages import Product
from models.snapshot import Shelf, Snapshot
from models.state import State, digest, names, part, places, prefixed, tensor, texts
from models.table import ranked, weights_by_rarity

__all__ = ["Learner", "LearnerSettings", "Lesson", "Progress"]


class Learner:
    """The masters, the calibration of what they say, and the snapshots taken of both.

    What it becomes is a function of outputs, settings, seed and the batches it was given, on the same device with
    the same number of threads. The cost of a lesson does not depend on how many came before. One thread at a time; its
    snapshots may be read by any number.
    """

    def __init__(
        self, outputs: Sequence[str], settings: LearnerSettings, *, seed: int, device: str = "cpu",
        encoder: Encoder = UNENCODED,
    ) -> None:  # fmt: skip
        distinct(outputs)
        self.settings, self.seed, self.version, self.encoder = settings, seed, 0, encoder
        self._masters = Masters(outputs, settings, seed=seed, device=torch.device(device), encoder=encoder)
        self._calibration = Calibration.within(settings, len(outputs))
        self._shelf = self._new_shelf()
        self._latest: Snapshot | None = None  # of the model as it is now

    @property
    def outputs(self) -> tuple[str, ...]:
        return self._masters.outputs

    def update(self, number: int, lessons: Sequence[Lesson]) -> Progress:
        """Learn from one numbered batch; of several lessons for one query the last counts.

        Raises:
            ValueError: `number` does not follow the version, or a lesson does not fit; nothing was learnt then.

        """
        follow(number, self.version)
        for lesson in lessons:
            check(lesson, len(self.outputs))
        masters = self._masters
        known, withdrawn = sort_out(lessons)
        features = self.read([lesson.product for lesson in known])
        self._calibration.forget(withdrawn)
        if known and self._calibration.limit:
            self._calibration.confront(known, self.snapshot().members(features), masters.memory.slot_of)
        forgotten = sum([masters.forget(query) for query in (*withdrawn, *(lesson.query for lesson in known))])
        slots = masters.remember(known, features, number)
        loss, rehearsed = fit_linear(masters, slots, number)
        steps = fit_network(masters, slots, number)
        masters.memory.sweep()
        self._calibration.fit_if_due(masters.counts.bias())
        self.version, self._latest = number, None
        return Progress(
            version=number, lessons=len(known), forgotten=forgotten, steps=steps, rehearsed=rehearsed, loss=loss,
            remembered=len(masters.memory), rows=masters.directory.count,
        )  # fmt: skip

    def read(self, products: Sequence[Product]) -> Features:
        """The features that it, and what it serves, go by."""
        return read(products, self.encoder, bits=self.settings.bits)

    def change_outputs(self, number: int, outputs: Sequence[str]) -> None:
        """Go on with other outputs, in their order; those in both keep what they have learnt. Counts as a batch.

        Raises:
            ValueError: `number` does not follow the version, or an output is named twice.

        """
        follow(number, self.version)
        distinct(outputs)
        sources = places(outputs, self.outputs)
        self._masters.rearrange(outputs, sources)
        self._calibration.rearrange(sources)
        self._shelf = self._new_shelf()
        self.version, self._latest = number, None

    def recalibrate(self, number: int, keep: int) -> None:
        """Calibrate anew, on the newest `keep` answers alone. Counts as a batch; ValueError if it does not follow."""
        follow(number, self.version)
        self._calibration.restart(keep, self._masters.counts.bias())
        self.version, self._latest = number, None

    def snapshot(self) -> Snapshot:
        """The model as it is now, to serve; nothing that happens later touches it."""
        if self._latest is not None:
            return self._latest
        masters, settings = self._masters, self.settings
        directory, linear, network, counts = masters.directory, masters.linear, masters.network, masters.counts
        changed, _ = ranked(np.concatenate([*masters.changed, np.zeros(0, np.int64)]), directory.count)
        tables = (linear.weights, linear.yes, network.embedding)
        self._shelf.put(changed, [table[changed] for table in tables], directory.count)
        weights, yes, embedding = self._shelf.tables
        masters.changed.clear()
        bias = counts.offsets(settings)
        answered = masters.memory.answered if directory.by_rarity else None
        rarity, absent = weights_by_rarity(directory.seen[: directory.count], answered)
        self._latest = Snapshot(
            version=self.version, outputs=self.outputs, thresholds=self._calibration.thresholds.copy(),
            prevalence=counts.prevalence(), places=directory.places, shelves=self._shelf.places,
            linear=weights, yes=yes, embedding=embedding,
            seen=directory.seen[: directory.count].copy(), relevance=counts.relevance(),
            arrivals=counts.arrivals(), cost=settings.cost,
            answered=answered, rarity=rarity, absent=absent, bias=bias.serving,
            intercept=bias.serving + linear.constant(), prior=network.prior, sketch=settings.sketch,
            names=masters.names, named=linear.named.copy(), names_pace=settings.names_pace,
            encoded=linear.encoded.copy(), encoder_scale=settings.encoder_scale,
            mix=settings.mix if linear.width else 1.0, spread=settings.spread,
            scaling=self._calibration.scaling, dense={name: value.clone() for name, value in network.served.items()},
        )  # fmt: skip
        return self._latest

    def state(self) -> State:
        """All that the future depends on, as tensors; of the tables only the rows in use."""
        return {
            "outputs": texts(self.outputs),
            "version": tensor([self.version]),
            "seed": tensor([self.seed]),
            **self._masters.state(),
            **prefixed("calibration", self._calibration.state()),
        }

    def restore(self, state: State) -> None:
        """Become the learner whose state this is: the same updates then give the same digests.

        Raises:
            ValueError: the state is of other outputs or of another seed.

        """
        if tuple(names(state["outputs"])) != self.outputs or int(state["seed"][0]) != self.seed:
            raise ValueError("the state is of another learner: outputs or seed differ")
        self._masters.restore(state)
        self._calibration.restore(part("calibration", state))
        self._shelf = self._new_shelf()
        self.version, self._latest = int(state["version"][0]), None

    def digest(self) -> str:
        """SHA-256 over the state, names and shapes included."""
        return digest(self.state())

    def _new_shelf(self) -> Shelf:
        linear, network = self._masters.linear, self._masters.network
        return Shelf(linear.width, linear.width, network.embedding.shape[1])
