"""Any river multi-label classifier as the model that learns: copies of it, bootstrapped, calibrated as ours is."""

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models import platt
from models.calibration import Calibration
from models.counts import Counts
from models.features import Features, featurise
from models.hashing import name_hash, uniforms
from models.lessons import (
    LearnerSettings,
    Lesson,
    Progress,
    bootstrap,
    bounds,
    check,
    distinct,
    follow,
    importance,
    sort_out,
)
from models.messages import Product
from models.pickled import packed, unpacked
from models.replay import Memory
from models.river_models import Classifier, Maker, dictionaries, said
from models.state import State, array, digest, names, part, places, prefixed, tensor, texts
from models.table import Floats

_ONE = np.array([name_hash("river")], np.uint64)  # a product counts alike for all outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class RiverSnapshot:
    """Copies of the classifiers as they were after one batch of answers; nobody else holds them."""

    version: int
    outputs: tuple[str, ...]
    bits: int
    thresholds: Floats  # (K,)
    prevalence: NDArray[np.float64]  # (K,)
    scaling: platt.Scaling
    classifiers: tuple[Classifier, ...]

    def members(self, features: Features) -> Floats:
        """Every member's probability of yes: (n, K, M)."""
        return said(self.classifiers, self.outputs, features, self.prevalence.astype(np.float32))

    def scores(self, members: Floats) -> Floats:
        """Calibrated scores (n, K) for what the members said."""
        return self.scaling.probabilities(platt.pooled(members))


class RiverLearner:
    """Copies of one river classifier, each taught every answer a Poisson(1) number of times.

    An answer once learnt cannot be taken out of a classifier: a correction is learnt on top, and a withdrawn answer
    leaves the memory, the counts and the calibration only. A snapshot copies the classifiers, so it costs their size.
    """

    def __init__(
        self, outputs: Sequence[str], settings: LearnerSettings, *, make: Maker, seed: int, roots: Collection[str] = ()
    ) -> None:
        """Start with new classifiers.

        Args:
            outputs: by name.
            settings: as for our own learner; what concerns its network and its linear path is not used.
            make: makes a new river multi-label classifier, always the same.
            seed: of the sample that is remembered.
            roots: top-level packages, besides river and numpy, whose classes a state may hold.

        """
        distinct(outputs)
        self.outputs = tuple(outputs)
        self.settings, self.seed, self.version = settings, seed, 0
        self._roots = roots
        width = len(self.outputs)
        slots = bounds(settings, width)[2]
        self._classifiers = [make() for _ in range(settings.river_members)]
        self._memory = Memory(self.outputs, limit=slots, positives=settings.memory_positives, key=str(seed))
        self._counts = Counts(width)
        self._calibration = Calibration.within(settings, width)
        self._latest: RiverSnapshot | None = None  # of the model as it is now

    def update(self, number: int, lessons: Sequence[Lesson]) -> Progress:
        """Learn from one numbered batch; of several lessons for one query the last counts.

        Raises:
            ValueError: `number` does not follow the version, or a lesson does not fit; nothing was learnt then.

        """
        follow(number, self.version)
        for lesson in lessons:
            check(lesson, len(self.outputs))
        known, withdrawn = sort_out(lessons)
        features = self.read([lesson.product for lesson in known])
        before = said(self._classifiers, self.outputs, features, self._counts.prevalence().astype(np.float32))
        self._calibration.forget(withdrawn)
        if known and self._calibration.limit:
            self._calibration.confront(known, before, self._memory.slot_of)
        forgotten = sum([self._forget(query) for query in (*withdrawn, *(lesson.query for lesson in known))])
        slots = [self._remember(lesson, features, i) for i, lesson in enumerate(known)]
        again = self._memory.choose(self.settings.river_rehearsals * len(slots), 0.0, "river", number)
        self._teach([*slots, *again])
        self._memory.sweep()
        self._calibration.fit_if_due(self._counts.bias())
        self.version, self._latest = number, None
        return Progress(
            version=number, lessons=len(known), forgotten=forgotten, steps=0, rehearsed=len(slots) + len(again),
            loss=_loss(before, known), remembered=len(self._memory), rows=0,
        )  # fmt: skip

    def read(self, products: Sequence[Product]) -> Features:
        """The features that it, and what it serves, go by."""
        return featurise(products, bits=self.settings.river_bits)

    def change_outputs(self, number: int, outputs: Sequence[str]) -> None:
        """Go on with other outputs, in their order; those in both keep what they have learnt. Counts as a batch.

        The classifiers keep what they know of outputs that are dropped, and go on from it should these come again.

        Raises:
            ValueError: `number` does not follow the version, or an output is named twice.

        """
        follow(number, self.version)
        distinct(outputs)
        sources = places(outputs, self.outputs)
        self._memory.rearrange(outputs, sources)
        self._counts.rearrange(sources)
        self._calibration.rearrange(sources)
        self.outputs, self.version, self._latest = tuple(outputs), number, None

    def recalibrate(self, number: int, keep: int) -> None:
        """Calibrate anew, on the newest `keep` answers alone. Counts as a batch; ValueError if it does not follow."""
        follow(number, self.version)
        self._calibration.restart(keep, self._counts.bias())
        self.version, self._latest = number, None

    def snapshot(self) -> RiverSnapshot:
        """The model as it is now, to serve; nothing that happens later touches it."""
        if self._latest is None:
            self._latest = RiverSnapshot(
                version=self.version, outputs=self.outputs, bits=self.settings.river_bits,
                thresholds=self._calibration.thresholds.copy(), prevalence=self._counts.prevalence(),
                scaling=self._calibration.scaling, classifiers=tuple(deepcopy(self._classifiers)),
            )  # fmt: skip
        return self._latest

    def state(self) -> State:
        """All that the future depends on, as tensors; the classifiers as bytes."""
        return {
            "outputs": texts(self.outputs),
            "version": tensor([self.version]),
            "seed": tensor([self.seed]),
            "classifiers": tensor(np.frombuffer(packed(self._classifiers), np.uint8)),
            **{key: value for name, one in self._parts().items() for key, value in prefixed(name, one.state()).items()},
        }

    def restore(self, state: State) -> None:
        """Become the learner whose state this is: the same updates then give the same digests.

        Raises:
            ValueError: the state is of other outputs or of another seed, or holds what is no classifier.

        """
        if tuple(names(state["outputs"])) != self.outputs or int(state["seed"][0]) != self.seed:
            raise ValueError("the state is of another learner: outputs or seed differ")
        classifiers = unpacked(array(state["classifiers"]).tobytes(), self._roots)
        if [type(one) for one in classifiers] != [type(one) for one in self._classifiers]:
            raise ValueError("the state is of another learner: its classifiers differ")
        self._classifiers = classifiers
        for name, one in self._parts().items():
            one.restore(part(name, state))
        self.version, self._latest = int(state["version"][0]), None

    def digest(self) -> str:
        """SHA-256 over the state, names and shapes included."""
        return digest(self.state())

    def _parts(self) -> dict[str, Counts | Memory | Calibration]:
        return {"counts": self._counts, "memory": self._memory, "calibration": self._calibration}

    def _forget(self, query: str) -> bool:
        slot = self._memory.slot_of.get(query)
        if slot is None:
            return False
        self._counts.add(self._memory.targets[slot], self._memory.weights[slot], -1.0)
        self._memory.remove(query)
        return True

    def _remember(self, lesson: Lesson, features: Features, i: int) -> int:
        at = slice(features.offsets[i], features.offsets[i + 1])
        weights = np.where(np.isnan(lesson.targets), 1.0, 1.0 / lesson.chance).astype(np.float32)
        self._counts.add(lesson.targets, weights, 1.0)
        return self._memory.add(lesson.query, features.ids[at], features.values[at], lesson.targets, weights)

    def _teach(self, slots: list[int]) -> None:
        memory, members = self._memory, len(self._classifiers)
        if not slots:
            return
        given = ~np.isnan(memory.targets[slots])
        relative = np.where(given, importance(self.settings, slots, memory), 0.0).sum(axis=1) / given.sum(axis=1)
        often = bootstrap(replace(self.settings, members=members), memory.hashes[slots], _ONE)[:, 0]
        counts = often * relative[:, None]
        for slot, product, count in zip(slots, dictionaries(memory.batch(slots)), counts, strict=True):
            drawn = uniforms(members * (1 + len(self.outputs)), "answers", int(memory.hashes[slot]))
            rounding, halves = drawn[:members], drawn[members:].reshape(members, -1)
            # A share of yes is yes to that share of the members; a broken count is rounded up as often as it should.
            yes = halves < memory.targets[slot]
            known = np.flatnonzero(~np.isnan(memory.targets[slot])).tolist()
            for m, times in enumerate(np.floor(count + rounding).astype(int).tolist()):
                answers = {self.outputs[k]: bool(yes[m, k]) for k in known} if times else {}
                for _ in range(times):
                    self._classifiers[m].learn_one(product, answers)


def _loss(before: Floats, known: Sequence[Lesson]) -> float:
    """Mean log loss of the answers under the members' pooled logit; NaN without answers."""
    if not known:
        return float("nan")
    logits, targets = platt.pooled(before), np.stack([lesson.targets for lesson in known])
    return float(np.nanmean(np.logaddexp(0.0, logits) - logits * targets))
