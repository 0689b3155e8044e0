"""What a policy looks at: a batch of arrivals, and what the model that serves says of them."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.features import Features
from models.platt import by_member
from models.port import Serving
from models.snapshot import Snapshot
from models.table import Floats


@dataclass(frozen=True, kw_only=True)
class View:
    """A batch of n arrivals beside the snapshot that serves them; it knows nothing of any draw.

    What few policies need is worked out when first asked for, so that the others do not pay for it.

    Args:
        features: of the n arrivals.
        snapshot: of K outputs.
        members: (n, K, M) probabilities of yes, one per member.

    """

    features: Features
    snapshot: Serving
    members: Floats

    @classmethod
    def of(cls, features: Features, snapshot: Serving) -> Self:
        """Let the members of the snapshot look at the arrivals."""
        return cls(features=features, snapshot=snapshot, members=snapshot.members(features))

    def take(self, rows: NDArray[np.int64]) -> Self:
        """The same of some of the arrivals, in ascending order; itself if that is all of them."""
        if len(rows) == len(self.members):
            return self
        return replace(self, features=self.features.take(rows), members=self.members[rows])

    @property
    def prevalence(self) -> NDArray[np.float64]:
        """How common each output is thought to be (K,)."""
        return self.snapshot.prevalence

    @cached_property
    def scores(self) -> Floats:
        """The scores that are served (n, K)."""
        return self.snapshot.scores(self.members)

    @cached_property
    def extremes(self) -> tuple[Floats, Floats]:
        """The least and the greatest probability of any member (n, K)."""
        n, outputs, _ = self.members.shape
        least, most = np.empty((2, n, outputs), np.float32)
        _extremes(by_member(self.members), least, most)
        return least, most

    @cached_property
    def linear_path(self) -> tuple[Floats, Floats]:
        """What the linear path says: logits (n, K), and how far each moves per unit of an answer's share (n, K)."""
        return self.ours.linear_path(self.features)

    @cached_property
    def novelty(self) -> NDArray[np.float64]:
        """How little each arrival has in common with answered products (n,), in [0, 1]; one where nothing."""
        return self.ours.novelty(self.features)

    @property
    def ours(self) -> Snapshot:
        """The snapshot as one of our own model, for what another has not.

        Raises:
            TypeError: it is of another model.

        """
        if not isinstance(self.snapshot, Snapshot):
            raise TypeError(f"{type(self.snapshot).__name__} is none of our own model")
        return self.snapshot


@compiled("f4[,,]", "f4[,]=", "f4[,]=")
def _extremes(members: Floats, least: Floats, most: Floats) -> None:
    for i in range(members.shape[0]):
        least[i], most[i] = members[i, 0], members[i, 0]
        for member in range(1, members.shape[1]):
            for k in range(members.shape[2]):
                said = members[i, member, k]
                unknown = np.isnan(said)  # and stays so
                least[i, k] = said if said < least[i, k] or unknown else least[i, k]
                most[i, k] = said if said > most[i, k] or unknown else most[i, k]
