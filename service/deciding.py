"""Whether to ask: the rule, and the chances it gives a batch of arrivals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.chance import Budget, Chances, combine
from models.policies import Policy
from models.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The rule by which a chance is made and a coin is thrown."""

    policy: Policy
    unit: Literal["product", "output"]
    share: float
    p_min: float
    eta: float
    key: bytes  # secret of the draws
    stream: str
    expires: float  # seconds
    finished: frozenset[str] = frozenset()  # outputs shown to meet their targets: nothing is asked for their sake
    output_shares: Mapping[str, float] = field(default_factory=dict)  # share of arrivals at most, of some outputs

    def share_now(self, outputs: Sequence[str]) -> float:
        """The share of arrivals wanted: the audit floor alone once every output is finished."""
        return self.p_min if outputs and self.finished.issuperset(outputs) else self.share

    def raised(self, factor: float) -> "Asking":
        """The same with shares and least chance times a factor, none above 1."""
        return replace(
            self,
            share=min(1.0, factor * self.share),
            p_min=min(1.0, factor * self.p_min),
            output_shares={name: min(1.0, factor * share) for name, share in self.output_shares.items()},
        )

    def judge(self, view: View, scale: float, output_scales: Mapping[str, float] | None = None) -> "Judged":
        """Turn what the model says into chances, in arrival order, starting from the budget's scales."""
        outputs = view.snapshot.outputs
        own = {k: name for k, name in enumerate(outputs) if name in self.output_shares}
        known = output_scales or {}
        counted = np.array([name not in self.finished for name in outputs], dtype=np.float64)
        disagreement = self.policy.disagreement(view) * counted
        combined = combine(disagreement, counted)
        budget = Budget(
            share=self.share_now(outputs),
            floor=self.p_min,
            eta=self.eta,
            scale=scale,
            output_shares={k: self.output_shares[name] for k, name in own.items()},
            output_scales={k: known[name] for k, name in own.items() if name in known},
        )
        chances = budget.chances_for(combined, disagreement if self.unit == "output" else None)
        return Judged(
            disagreement, combined, chances, budget.scale, {own[k]: one for k, one in budget.output_scales.items()}
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """The chances of a batch and their terms."""

    disagreement: NDArray[np.float64]  # (n, K)
    combined: NDArray[np.float64]  # (n,)
    chances: Chances
    scale: float  # after the last arrival
    output_scales: Mapping[str, float]  # then, of outputs with a share of their own

    @staticmethod
    def concatenate(parts: Sequence["Judged"]) -> "Judged":
        """Those of arrivals that follow each other; of one part at least."""
        last = parts[-1]
        return Judged(
            np.concatenate([part.disagreement for part in parts]),
            np.concatenate([part.combined for part in parts]),
            Chances.concatenate([part.chances for part in parts]),
            last.scale,
            last.output_scales,
        )
