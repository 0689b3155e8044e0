"""How far the scores may be believed: the newest answers beside the scores given before them, and what follows."""

from collections.abc import Container, Iterable, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from models import platt
from models.hashing import name_hash
from models.lessons import LearnerSettings, Lesson
from models.platt import Scaling
from models.precision import thresholds_for_precision
from models.state import State, array, moved, tensor
from models.table import Floats, extend

_FIRST: Final = 64  # places at first
_FEWEST: Final = 16  # places, however many the outputs
_PART: Final = 8  # a fit is due when an eighth of the answers are new, or so many as are set
_RECENCY: Final = 2  # an answer's weight falls with this power of its age: the model of then is no longer


class Calibration:
    """A window over the newest answers, and the scaling and thresholds last fitted on it.

    Every answer counts by 1/p, so that what was asked for a reason stands for what was not. The scores are those given
    before the answer was learnt from; what a model says of its own lessons proves nothing. The cost of an answer is
    bounded.
    """

    def __init__(
        self, width: int, *, limit: int, every: int, target: Literal["f1", "half", "precision"], precision: float = 0.9
    ) -> None:
        """Start neutral.

        Args:
            width: number of outputs.
            limit: answered products in the window.
            every: answered products from one fit to the next; fewer while there are few.
            target: what the thresholds aim at.
            precision: that is promised at least, where it is the target.

        """
        self.limit, self.every, self.target, self.precision = limit, every, target, precision
        self.scaling = Scaling(np.ones(width), np.zeros(width))
        self.thresholds = np.full(width, self._start, np.float32)
        self._queries = np.zeros(0, np.int64)  # hashes; 0 where withdrawn
        self._logits = np.zeros((0, width), np.float32)
        self._targets = np.zeros((0, width), np.float32)
        self._weights = np.zeros((0, width), np.float32)
        self._count = self._next = self._new = 0

    @classmethod
    def within(cls, settings: LearnerSettings, outputs: int) -> "Calibration":
        """As set, its window in at most an eighth of the memory's megabytes; with no window at all if switched off."""
        most = max(_FEWEST, settings.memory_megabytes * 2**20 // (8 * (12 * outputs + 8)))
        limit = min(settings.window, most) if settings.calibration == "platt" else 0
        return cls(
            outputs, limit=limit, every=settings.refit, target=settings.target, precision=settings.target_precision
        )

    def __len__(self) -> int:
        return self._count

    def holds(self, query: str) -> bool:
        """Whether the window holds the query."""
        return self._place(query) is not None

    def confront(self, lessons: Sequence[Lesson], members: Floats, learnt: Container[str]) -> None:
        """Set answers beside what the members (n, K, M) said before they were learnt from.

        Args:
            lessons: the answers.
            members: probabilities, not calibrated.
            learnt: queries that were learnt from; where the window has let go of one, it cannot be judged any more.

        """
        logits = platt.pooled(members)
        for lesson, said in zip(lessons, logits, strict=True):
            if self.holds(lesson.query) or lesson.query not in learnt:
                self.add(lesson.query, said, lesson.targets, np.float32(1.0) / lesson.chance)

    def add(self, query: str, logits: Floats, targets: Floats, weights: Floats) -> None:
        """Take an answer in for the longest held one. A query held already keeps the score it had at first."""
        place = self._place(query)
        if place is None:
            place = self._free()
            self._queries[place], self._logits[place] = _hash(query), logits
        given = ~np.isnan(targets)
        self._targets[place] = np.where(given, targets, np.float32(0.0))
        self._weights[place] = np.where(given, weights, np.float32(0.0))
        self._new += 1

    def forget(self, queries: Iterable[str]) -> None:
        """Take answers out where they are held; as much of a change as new ones."""
        for query in queries:
            place = self._place(query)
            if place is not None:
                self._queries[place], self._weights[place] = 0, 0.0
                self._new += 1

    def fit_if_due(self, prevalence: Floats) -> bool:
        """Fit anew if enough answers are new; says whether it did.

        Args:
            prevalence: (K,) logits of how common each output is.

        """
        if not self._new or self._new < min(self.every, self._count // _PART):
            return False
        self._new = 0
        logits, targets, weights = (c[: self._count] for c in (self._logits, self._targets, self._weights))
        # Relative within each output: how much an answer proves does not depend on how rarely all are asked for.
        answers = np.maximum((weights > 0.0).sum(axis=0), 1).astype(np.float32)
        mean = np.maximum(weights.sum(axis=0) / answers, np.float32(1e-12))
        relative = weights / mean * self._recency()[:, None]
        self.scaling = platt.fit(logits, targets, relative, prevalence)
        if self.target == "f1":
            probabilities = self.scaling.probabilities(logits)
            self.thresholds = platt.thresholds_for_f1(probabilities, targets, relative).astype(np.float32)
        elif self.target == "precision":
            probabilities = self.scaling.probabilities(logits)
            self.thresholds = thresholds_for_precision(probabilities, targets, relative, self.precision)
        return True

    @property
    def _start(self) -> float:
        """The threshold of an output that nothing is known of."""
        return self.precision if self.target == "precision" else 0.5

    def restart(self, keep: int, prevalence: Floats) -> None:
        """Go on from the newest `keep` answers alone, and fit anew. `prevalence` as for `fit_if_due`."""
        ages = (self._next - 1 - np.arange(self._count)) % max(1, self._count)
        self._queries[: self._count][ages >= keep] = 0
        self._weights[: self._count][ages >= keep] = 0.0
        self._new = self._count
        self.fit_if_due(prevalence)

    def _recency(self) -> Floats:
        ages = (self._next - 1 - np.arange(self._count)) % max(1, self._count)
        return ((1.0 - ages / max(1, self._count)) ** _RECENCY).astype(np.float32)

    def _place(self, query: str) -> int | None:
        found = np.flatnonzero(self._queries[: self._count] == _hash(query))
        return int(found[0]) if len(found) else None

    def _free(self) -> int:
        place = self._next
        if place == len(self._queries):
            self._extend(min(self.limit, max(_FIRST, 2 * place)))
        self._count = max(self._count, place + 1)
        self._next = (place + 1) % self.limit
        return place

    def _extend(self, size: int) -> None:
        self._queries, self._logits = extend(self._queries, size), extend(self._logits, size)
        self._targets, self._weights = extend(self._targets, size), extend(self._weights, size)

    def rearrange(self, sources: NDArray[np.int64]) -> None:
        """Go on with other outputs: output i is what was `sources[i]`, or neutral where that is -1."""
        slope, shift = self.scaling
        self.scaling = Scaling(moved(slope, sources, 1.0), moved(shift, sources, 0.0))
        self.thresholds = moved(self.thresholds, sources, self._start)
        self._logits, self._targets, self._weights = (
            moved(each, sources, 0.0, axis=1) for each in (self._logits, self._targets, self._weights)
        )

    def state(self) -> State:
        """The window in its places, and what was fitted."""
        n = self._count
        return {
            "queries": tensor(self._queries[:n]),
            "logits": tensor(self._logits[:n]),
            "targets": tensor(self._targets[:n]),
            "weights": tensor(self._weights[:n]),
            "counters": tensor([self.limit, self._next, self._new]),
            "slope": tensor(self.scaling.slope),
            "shift": tensor(self.scaling.shift),
            "thresholds": tensor(self.thresholds),
        }

    def restore(self, state: State) -> None:
        """Become the calibration whose state this is."""
        self._queries = array(state["queries"]).astype(np.int64)
        self._logits, self._targets, self._weights, self.thresholds = (
            array(state[name]).astype(np.float32) for name in ("logits", "targets", "weights", "thresholds")
        )
        self._count = len(self._queries)
        self.limit, self._next, self._new = (int(counter) for counter in state["counters"])
        self.scaling = Scaling(array(state["slope"]).astype(np.float64), array(state["shift"]).astype(np.float64))


def _hash(query: str) -> np.int64:
    return np.uint64(name_hash(query)).astype(np.int64)
