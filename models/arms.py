"""Which queries a learner learns from: all of them, or a sample that stands for another way of asking.

A query is kept for a sample by a hash of its name, so that the samples nest, nobody is asked anything more, and the
same ledger gives the same samples for ever. What was asked about with chance p is kept with chance `floor / p`: then
the sample is uniform, each arrival in it with chance `floor`. Or all with the same chance, `floor / share`: then it is
what the policy chooses, thinned. Both have as many labels on average, as the budget holds the mean of p at `share`.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import numpy as np

from models.contrast import whole_chance
from models.hashing import name_hash
from models.joining import as_targets, chances_of
from models.lessons import Lesson
from models.messages import Query


class Arm(StrEnum):
    """A way of choosing what to learn from."""

    ALL = "all"
    UNIFORM = "uniform"  # each arrival alike
    CHOSEN = "chosen"  # as the policy chooses, with as many labels
    HALF = "half"  # as the policy chooses, with half as many


SAMPLES: Final = (Arm.UNIFORM, Arm.CHOSEN, Arm.HALF)


def lesson_for(arm: Arm, query: Query, shares: Mapping[str, float], outputs: Sequence[str]) -> Lesson | None:
    """What an arm learns from the answers to a query; None if it has no part in it.

    The lesson's chance is that with which the arm comes to ask.
    """
    chance = chances_of(query, outputs)
    if arm is not Arm.ALL:
        floor, share = query.because.floor, query.because.share
        whole = whole_chance(query, outputs)
        if share is None or (arm is Arm.UNIFORM and whole is None):
            return None
        kept = floor / whole if arm is Arm.UNIFORM and whole is not None else floor / share
        kept *= 0.5 if arm is Arm.HALF else 1.0
        if place(query.id) >= kept:
            return None
        chance = np.full_like(chance, floor) if arm is Arm.UNIFORM else chance * np.float32(min(1.0, kept))
    return Lesson(query=query.id, product=query.product, targets=as_targets(shares, outputs), chance=chance)


def place(query: str) -> float:
    """Where a query stands between all and none, in [0, 1)."""
    return (name_hash("arms", query) >> 11) * 2.0**-53
