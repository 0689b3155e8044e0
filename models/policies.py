"""Whom to ask: each policy turns what the members say into a disagreement per output."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.iwal_cal import IwalCal
from models.table import Floats
from models.view import View

Doubles = NDArray[np.float64]

_RAREST: Final = 0.001  # prevalence below which outputs are alike
_LEAST: Final = 1e-9  # keeps logarithms and quotients finite
_SURE: Final = 0.1  # of the disagreement is left where an output is sure to be yes


class Policy(Protocol):
    """A rule that says how much would be learnt by asking; the floor and the budget are not its business."""

    @property
    def name(self) -> str:
        """Its name in settings, messages and reports."""
        ...

    def disagreement(self, view: View) -> Doubles:
        """How much there is to learn about each output of each arrival (n, K), in [0, 1].

        It depends on the arrival and on the past alone, as the snapshot has it.
        """
        ...


class Random:
    """Asks about every arrival with the same chance: the yardstick of the others."""

    name: Final = "random"

    def disagreement(self, view: View) -> Doubles:
        return np.ones(view.members.shape[:2])


class Iwal:
    """The largest difference of loss between any two members under either answer (Beygelzimer et al. 2009, bootstrap).

    The loss is the log loss clipped at e_k = min(0.01, prevalence / 4) and divided by its largest value, so that
    members at 1 % and 10 % disagree clearly while members at 0.01 % and 0.1 % of a common output do not.
    """

    name: Final = "iwal"

    def disagreement(self, view: View) -> Doubles:
        clip = np.minimum(0.01, np.maximum(view.prevalence, 4e-4) / 4.0)
        return loss_difference(*view.extremes, clip)


class IwalRare:
    """`iwal`, each output's disagreement times the root of its rarity, that of the rarest output being one.

    Squared and summed over outputs this is variance relative to what there is to find: an answer about an output of
    few positives is worth more than one about an output that is yes half the time.
    """

    name: Final = "iwal-rare"

    def disagreement(self, view: View) -> Doubles:
        return Iwal().disagreement(view) * rarity(view)


class IwalNovel:
    """`iwal-rare`, less so the surer one output is a yes: what no output claims is likely something new.

    Members share most of what they know, so they may all turn a novel product down and dispute none of it.
    """

    name: Final = "iwal-novel"

    def disagreement(self, view: View) -> Doubles:
        claimed = view.members.mean(axis=2).max(axis=1, initial=0.0).astype(np.float64)
        unclaimed = (1.0 - claimed + _SURE) / (1.0 + _SURE)
        novel: Doubles = IwalRare().disagreement(view) * unclaimed[:, None]
        return novel


class Uncertainty:
    """How near the served score is to the served threshold: the entropy, in bits, of where it lies beside it.

    From 0 to the threshold and from there to 1 are half a unit each, so that a score at the threshold counts one.
    """

    name: Final = "uncertainty"

    def disagreement(self, view: View) -> Doubles:
        scores = np.clip(view.scores.astype(np.float64), 0.0, 1.0)
        thresholds = np.clip(view.snapshot.thresholds.astype(np.float64), _LEAST, 1.0 - _LEAST)
        place = np.where(scores < thresholds, scores / thresholds, 1.0 + (scores - thresholds) / (1.0 - thresholds)) / 2
        inside = np.clip(place, _LEAST, 1.0 - _LEAST)
        bits: Doubles = -(inside * np.log2(inside) + (1.0 - inside) * np.log2(1.0 - inside))
        return np.where((place > 0.0) & (place < 1.0), np.clip(bits, 0.0, 1.0), 0.0)


class Evidence:
    """How much an answer would narrow the proof of quality: the root of what it adds to the variance of the F1 served.

    An arrival left to chance p adds (1/p - 1) (y - q)^2 c^2, with c the slope of F1 in true positives, (2 - F1) / D,
    where it is decided positive, and F1 / D in false negatives elsewhere; D is decided positives plus positives. For a
    given mean, chances in proportion to the root make the sum least (Neyman 1934). A calibrated score q errs by
    q (1 - q) in the mean square, and the threshold for the best F1 is half of it. Outputs count relative to what
    uniform asking would leave, so that each gains alike.
    """

    name: Final = "evidence"

    def disagreement(self, view: View) -> Doubles:
        scores = np.clip(view.scores.astype(np.float64), 0.0, 1.0)
        thresholds = view.snapshot.thresholds.astype(np.float64)
        half = np.minimum(thresholds, 0.5)  # of an F1, which is at most one, whatever a threshold aims at
        slope = np.where(scores >= thresholds, 1.0 - half, half)
        doubt: Doubles = 2.0 * np.sqrt(scores * (1.0 - scores)) * slope * rarity(view)
        return doubt


class LeastPositive:
    """One minus the highest mean score over outputs: what the model has no name for, whatever its members say."""

    name: Final = "least-positive"

    def disagreement(self, view: View) -> Doubles:
        highest = view.members.mean(axis=2, dtype=np.float64).max(axis=1, initial=0.0)
        return np.broadcast_to(np.clip(1.0 - highest, 0.0, 1.0)[:, None], view.members.shape[:2])


class Damped:
    """Another policy, each arrival's disagreement times its novelty: less about what is like something answered.

    What it goes by is in the snapshot, so every scorer and every redelivery finds the same; of what was asked but not
    answered yet it knows nothing.
    """

    def __init__(self, policy: Policy) -> None:
        self.name: Final = f"{policy.name}-damped"
        self._policy = policy

    def disagreement(self, view: View) -> Doubles:
        damped: Doubles = self._policy.disagreement(view) * view.novelty[:, None]
        return damped


def rarity(view: View) -> Doubles:
    """The root of how rare each output is (K,), the rarest being one."""
    common = np.maximum(view.prevalence, _RAREST)
    weights: Doubles = np.sqrt(common.min(initial=1.0) / common)
    return weights


def loss_difference(least: Floats | Doubles, most: Floats | Doubles, clip: Doubles) -> Doubles:
    """Max over two members and both answers of the difference of clipped log losses, in [0, 1], in closed form.

    The loss is monotone in the probability for either answer, so only the extremes over members count.

    Args:
        least: (n, K) the least probability of any member.
        most: (n, K) the greatest.
        clip: (K,) probabilities are clipped to [clip, 1 - clip].

    """
    least, most = (np.clip(extreme.astype(np.float64), clip, 1.0 - clip) for extreme in (least, most))
    yes = np.log(most / least)
    no = np.log((1.0 - least) / (1.0 - most))
    difference: Doubles = np.clip(np.maximum(yes, no) / (np.log1p(-clip) - np.log(clip)), 0.0, 1.0)
    return difference


POLICIES: Final[Mapping[str, Policy]] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            Random(),
            Iwal(),
            IwalRare(),
            IwalNovel(),
            IwalCal(),
            Uncertainty(),
            LeastPositive(),
            Evidence(),
        )
    }
)


def policy_named(name: str, *, damping: bool = False) -> Policy:
    """One of POLICIES, damped if wanted. Raises KeyError."""
    return Damped(POLICIES[name]) if damping else POLICIES[name]
