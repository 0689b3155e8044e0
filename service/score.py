"""The scoring step: records of products in, predictions, queries, rejections and a tally out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.messages import Reason
from models.records import Outgoing


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """All that happened to one batch of products."""

    outgoing: tuple[Outgoing, ...]
    arrivals: int
    asked: int
    rejected: Mapping[Reason, int]
    chances: NDArray[np.float64]  # (arrivals,), each in [p_min, 1]
    positives: Mapping[str, int]  # by output, decided positive in this batch
    model: int
    policy: str
    target: float  # share of arrivals wanted
    scale: float  # the budget's scale after this batch
    seconds: Mapping[str, float]  # by stage: decode, featurise, classify, decide, encode
