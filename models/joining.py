"""What the answers to one query amount to: its state, and what it teaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.messages import Label, Query


class State(StrEnum):
    """Where a query stands; issued = the sum over all states."""

    OPEN = "open"
    ANSWERED = "answered"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Outcome(StrEnum):
    """What became of one label: the closed list."""

    APPLIED = "applied"
    REPLACED = "replaced"  # taken in place of the same annotator's earlier one
    REPEATED = "repeated"  # says what the same annotator said before
    SKIPPED = "skipped"
    DELETED = "deleted"
    UNKNOWN_QUERY = "unknown_query"  # kept; joined when its query is read
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SETTLED = "settled"  # enough others had answered
    EMPTY = "empty"  # nothing in it that was asked


CLOSED = (State.EXPIRED, State.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the answers to one query come to."""

    state: State
    shares: Mapping[str, float]  # by asked output, the share of yes among yes and no; absent where nobody knew
    counted: frozenset[str]  # annotators whose answers count


def usable(label: Label, asked: Sequence[str]) -> bool:
    """Say whether a label is a skip or answers anything that was asked."""
    return label.skipped or any(output in label.answers for output in asked)


def settle(labels: Sequence[Label], asked: Sequence[str], wanted: int) -> Settlement:
    """Settle a query from each annotator's newest label, in order of their first.

    The first `wanted` annotators who answer count; a skip holds nobody else back.
    """
    answering = [label for label in labels if not label.deleted and not label.skipped and usable(label, asked)]
    counted = answering[:wanted]
    shares = {}
    for output in asked:
        said = [answer for label in counted if (answer := label.answers.get(output)) is not None]
        if said:
            shares[output] = sum(said) / len(said)
    skipped = any(label.skipped and not label.deleted for label in labels)
    state = State.ANSWERED if counted else State.SKIPPED if skipped else State.OPEN
    return Settlement(state, shares, frozenset(label.annotator for label in counted))


def as_targets(shares: Mapping[str, float], outputs: Sequence[str]) -> NDArray[np.float32]:
    """Lay shares of yes out over the model's outputs; NaN is missing. Shape (K,)."""
    targets = np.full(len(outputs), np.nan, dtype=np.float32)
    for place, output in enumerate(outputs):
        if output in shares:
            targets[place] = shares[output]
    return targets


def chances_of(query: Query, outputs: Sequence[str]) -> NDArray[np.float32]:
    """Lay the recorded chances of a query out over the model's outputs, 1 where not asked. Shape (K,)."""
    if isinstance(query.chance, float):
        return np.full(len(outputs), query.chance, dtype=np.float32)
    return np.array([query.chance.get(output, 1.0) for output in outputs], dtype=np.float32)
