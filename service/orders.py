"""What the learner tells the scorers beside the model: how much to ask, and how."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How arrivals are to be asked about while a snapshot serves."""

    share: float  # of arrivals
    factor: float  # on the least chance, while a reaction to drift is on
    finished: tuple[str, ...]  # outputs for whose sake nothing is asked
    scale: float  # of the budget, for a scorer that begins
    yardstick: bool  # drift is measured by this snapshot from now on
    encoder: str
    made_at: float  # seconds since 1970
