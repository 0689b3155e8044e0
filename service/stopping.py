"""When to stop asking: outputs that are good enough, or that more labels no longer make better, are finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimates import Interval, basis
from models.gains import avoided
from models.sums import nothing
from service.epochs import Epoch
from service.evidence import Evidence
from service.report import ALPHA, Bounded, claim
from service.stretches import Stretch, stretch_at


class Cause(StrEnum):
    """Why an output is finished."""

    MET = "target_met"
    SPENT = "no_longer_pays"


class Doubling(NamedTuple):
    """What the labels of one stretch brought the next, which is twice as long."""

    arrivals: int  # evaluated at its end
    avoided: Interval  # mistakes per 1,000 arrivals, (K,); bounds for all outputs and doublings together
    answered: NDArray[np.bool_]  # (K,) as many labels at least as in the stretch before


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What every output is to reach, and the least that more labels must bring; None is no target."""

    precision: float | None = None
    recall: float | None = None
    least_gain: float | None = None  # mistakes per 1,000 arrivals that a doubling of the labels must avoid

    def met(self, evidence: Evidence) -> frozenset[str]:
        """Outputs shown to meet the targets in the newest epoch, all of them together at 95 % and at all times.

        Empty without targets: then nothing is ever good enough to stop.
        """
        epoch = evidence.epoch()
        if epoch is None or (self.precision is None and self.recall is None):
            return frozenset()
        return frozenset(claim(epoch, self.precision or 0.0, self.recall or 0.0).met)

    def spent(self, evidence: Evidence) -> frozenset[str]:
        """Outputs to which a doubling of the labels in the newest epoch was shown to bring less than `least_gain`.

        All of them together at 95 %. It stays said until the next epoch; empty without `least_gain`. Mistakes shown to
        become more are no such sign: then the stream has changed, and labels are needed.
        """
        epoch = evidence.epoch()
        if epoch is None or self.least_gain is None:
            return frozenset()
        found = np.zeros(len(epoch.outputs), np.bool_)
        for doubling in doublings(epoch, evidence.stretches.of(epoch.number, len(epoch.outputs))):
            upper = doubling.avoided.upper
            found |= doubling.answered & (upper >= 0.0) & (upper < self.least_gain)
        return frozenset(epoch.outputs[k] for k in np.flatnonzero(found))

    def finished(self, evidence: Evidence) -> dict[str, Cause]:
        """Outputs for whose sake nothing more is asked, by name, and why."""
        return dict.fromkeys(sorted(self.spent(evidence)), Cause.SPENT) | dict.fromkeys(
            sorted(self.met(evidence)), Cause.MET
        )


def doublings(epoch: Epoch, stretches: Sequence[Stretch], alpha: float = ALPHA) -> list[Doubling]:
    """The doublings of an epoch that are over, in order.

    Their bounds hold together, for all outputs, but for a chance of `alpha`: the i-th has its part 1/(i (i + 1)).
    """
    past, arrivals, found = nothing(len(epoch.outputs)), 0, []
    lost = epoch.lost / epoch.asked if epoch.asked else 0.0
    for first, second in pairwise(stretches):
        # Neither the very first labels nor what a ledger began in the middle of is half of what follows.
        whole = 0 < first.number == second.number - 1 and 2.5 * first.n >= second.n
        if whole and stretch_at(epoch.n) > second.number:
            part = alpha / (first.number * second.number) / max(1, len(epoch.outputs))
            gain = avoided(first.sums, second.sums, past=past, floor=epoch.floor, alpha=part, lost=lost)
            before, after = (basis(one.sums).labels for one in (first, second))
            found.append(Doubling(arrivals + first.n + second.n, gain, after >= before))
        past, arrivals = past + first.sums, arrivals + first.n
    return found


def gained(evidence: Evidence) -> dict[str, Bounded]:
    """Mistakes per 1,000 arrivals that the last doubling of the newest epoch avoided, by output; empty before one."""
    epoch = evidence.epoch()
    over = [] if epoch is None else doublings(epoch, evidence.stretches.of(epoch.number, len(epoch.outputs)))
    if epoch is None or not over:
        return {}
    last = over[-1].avoided
    columns = zip(epoch.outputs, last.estimate, last.lower, last.upper, strict=True)
    return {name: Bounded(float(middle), float(lower), float(upper)) for name, middle, lower, upper in columns}
