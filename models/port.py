"""What the service relies on of a model, whichever it is: one that learns, and the one it serves from."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.features import Features
from models.lessons import Lesson, Progress
from models.messages import Product
from models.state import State
from models.table import Floats


class Serving(Protocol):
    """A model as it was after one batch of answers. Nothing of it ever changes; any number of threads may read it."""

    @property
    def version(self) -> int: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def bits(self) -> int:
        """Bits of the feature ids it reads."""

    @property
    def thresholds(self) -> Floats:
        """(K,) a score at or above is decided positive."""

    @property
    def prevalence(self) -> NDArray[np.float64]:
        """(K,) share of yes, from weighted answers, above 0 and below 1."""

    def members(self, features: Features) -> Floats:
        """Every member's probability of yes: (n, K, M). They are for asking; what to believe are the scores."""

    def scores(self, members: Floats) -> Floats:
        """Calibrated scores (n, K) for what the members said."""


class Learning(Protocol):
    """A model that takes numbered batches of lessons.

    What it becomes is a function of outputs, settings, seed and the batches. The cost of a lesson is bounded. One
    thread at a time.
    """

    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def version(self) -> int:
        """Number of the last batch; 0 before the first."""

    def update(self, number: int, lessons: Sequence[Lesson]) -> Progress:
        """Learn from one numbered batch; of several lessons for one query the last counts.

        Raises:
            ValueError: `number` does not follow the version, or a lesson does not fit; nothing was learnt then.

        """

    def read(self, products: Sequence[Product]) -> Features:
        """The features that it, and what it serves, go by."""

    def change_outputs(self, number: int, outputs: Sequence[str]) -> None:
        """Go on with other outputs, in their order; those in both keep what they have learnt. Counts as a batch.

        Raises:
            ValueError: `number` does not follow the version, or an output is named twice.

        """

    def recalibrate(self, number: int, keep: int) -> None:
        """Calibrate anew, on the newest `keep` answers alone. Counts as a batch; ValueError if it does not follow."""

    def snapshot(self) -> Serving:
        """The model as it is now, to serve."""

    def state(self) -> State:
        """All that the future depends on, as tensors."""

    def restore(self, state: State) -> None:
        """Become the learner whose state this is: the same updates then give the same digests.

        Raises:
            ValueError: the state is of other outputs or of another seed, or cannot be read.

        """

    def digest(self) -> str:
        """SHA-256 over the state, names and shapes included."""
