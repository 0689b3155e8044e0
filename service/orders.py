"""What the learner tells the scorers beside the model: how much to ask, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How arrivals are to be asked about while a snapshot serves."""

    share: float  # of arrivals
    factor: float  # on the least chance, while a reaction to drift is on
    finished: tuple[str, ...]  # outputs for whose sake nothing is asked
    scale: float  # of the budget, for a scorer that begins
    output_scales: Mapping[str, float] = field(default_factory=dict)  # of outputs with a share of their own, likewise
    yardstick: bool  # drift is measured by this snapshot from now on
    encoder: str
    made_at: float  # seconds since 1970
