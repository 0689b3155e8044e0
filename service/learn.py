"""The learning step: queries and labels in, joined in the ledger, weighed and applied to the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.messages import Reason
from models.records import Outgoing


class Outcome(StrEnum):
    """What became of one label: the closed list."""

    APPLIED = "applied"
    REPLACED = "replaced"
    REPEATED = "repeated"
    SKIPPED = "skipped"
    DELETED = "deleted"
    UNKNOWN_QUERY = "unknown_query"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SETTLED = "settled"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """All that happened to one batch of what the learner reads."""

    outgoing: tuple[Outgoing, ...]
    queries: int  # new ones read
    outcomes: Mapping[Outcome, int]
    ignored: Mapping[str, int]  # answers left aside inside good labels: unknown_output, not_asked
    rejected: Mapping[Reason, int]
    delays: tuple[float, ...]  # seconds from asking to the label's arrival, one per applied label
    batch: int | None  # number of the batch of updates this made; None if none
    lessons: int  # answers applied to the model
    steps: int  # optimiser steps taken
    states: Mapping[str, int]  # the ledger's balance after it: issued, open, answered, skipped, expired, withdrawn
    model: int  # version that now serves
    seconds: Mapping[str, float]  # by stage: decode, join, update, snapshot
