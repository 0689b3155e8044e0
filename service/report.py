"""The report on quality: what the evidence in the ledger says of every output, with bounds that hold at all times."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from models.estimates import Figures, Interval, basis, combine, figures, guesses, unanswered_range
from models.sums import nothing
from service.epochs import Epoch
from service.evidence import Evidence

ALPHA: Final = 0.05
LAUNCH: Final = "since launch"


@dataclass(frozen=True, slots=True)
class Bounded:
    """An estimate (none where nothing is known) between its bounds."""

    estimate: float | None
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputReport:
    """What is known of one output."""

    output: str
    labels: int
    effective: float  # equally weighted answers that would weigh as much
    answered: float | None  # share of what was asked
    positive: int  # arrivals decided positive
    prevalence: Bounded
    precision: Bounded
    recall: Bounded
    f1: Bounded
    if_unanswered: dict[str, tuple[float, float]]  # estimates if all that was not answered were the worst, the best
    mean_score: dict[str, float | None]  # where decided positive, where decided negative
    brier: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Whether all outputs meet a target, at 95 % for all of them together."""

    precision: float
    recall: float
    met: tuple[str, ...]
    unproven: tuple[str, ...]  # not shown to meet it, or not yet

    @property
    def holds(self) -> bool:
        """True if every output is shown to meet the target."""
        return not self.unproven


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One epoch, or all since launch."""

    epoch: int  # 0 for all since launch
    reason: str
    since: float | None  # seconds since 1970
    arrivals: int  # evaluated
    asked: int
    lost: int
    floor: float
    outputs: tuple[OutputReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The newest epoch, the whole since launch, and what is still waited for."""

    confidence: float
    waiting: int  # arrivals that wait for answers to them or to those before them
    waiting_since: float | None  # when the oldest of them was scored
    now: Section
    launch: Section
    claim: Claim | None

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        plain = asdict(self)
        if self.claim is not None:
            plain["claim"]["holds"] = self.claim.holds
        return plain


def make_report(
    evidence: Evidence, *, precision: float | None = None, recall: float | None = None, alpha: float = ALPHA
) -> Report | None:
    """Make the report; None before there are outputs.

    Args:
        evidence: of a ledger.
        precision: target of every output's precision, if there is to be a claim.
        recall: target of every output's recall.
        alpha: the chance that a bound of one output is ever wrong; of any output, for the claim.

    """
    epochs = evidence.epochs()
    if not epochs:
        return None
    newest, launch = epochs[-1], since_launch(epochs)
    waiting, oldest = evidence.waiting()
    wanted = precision is not None or recall is not None
    return Report(
        confidence=1.0 - alpha,
        waiting=waiting,
        waiting_since=oldest,
        now=section(newest, alpha),
        launch=section(launch, alpha),
        claim=claim(newest, precision or 0.0, recall or 0.0, alpha) if wanted else None,
    )


def since_launch(epochs: Sequence[Epoch]) -> Epoch:
    """All epochs as one, of the outputs there are now; bounds are tuned as they were at the beginning."""
    newest = epochs[-1]
    sums = nothing(len(newest.outputs))
    for epoch in epochs:
        place = {name: k for k, name in enumerate(epoch.outputs)}
        sums += epoch.sums.columns([place.get(name, -1) for name in newest.outputs])
    return newest._replace(
        number=0,
        reason=LAUNCH,
        at=epochs[0].at,
        guess=guesses(nothing(len(newest.outputs))),
        floor=min((epoch.floor for epoch in epochs if epoch.floor), default=0.0),
        n=sum(epoch.n for epoch in epochs),
        asked=sum(epoch.asked for epoch in epochs),
        lost=sum(epoch.lost for epoch in epochs),
        sums=sums,
    )


def figures_of(epoch: Epoch, alpha: float = ALPHA) -> Figures:
    """The figures of an epoch's outputs."""
    lost = epoch.lost / epoch.asked if epoch.asked else 0.0
    return figures(epoch.sums, floor=epoch.floor, alpha=alpha, guess=epoch.guess, lost=lost)


def claim(epoch: Epoch, precision: float, recall: float, alpha: float = ALPHA) -> Claim:
    """Which outputs are shown to meet the targets, so that but for a chance of `alpha` not one of them is wrong."""
    found = figures_of(epoch, alpha / max(1, len(epoch.outputs)))
    meets = (found.precision.lower >= precision) & (found.recall.lower >= recall)
    return Claim(
        precision=precision,
        recall=recall,
        met=tuple(name for name, met in zip(epoch.outputs, meets, strict=True) if met),
        unproven=tuple(name for name, met in zip(epoch.outputs, meets, strict=True) if not met),
    )


def section(epoch: Epoch, alpha: float = ALPHA) -> Section:
    """All there is to say of one epoch."""
    found, rests, sums = figures_of(epoch, alpha), basis(epoch.sums), epoch.sums
    extreme = combine(*unanswered_range(sums), sums.of("positive"), sums.of("arrivals"))
    outputs = tuple(
        OutputReport(
            output=output,
            labels=int(rests.labels[k]),
            effective=float(rests.effective[k]),
            answered=_known(rests.answered[k]),
            positive=int(sums.of("positive")[k]),
            prevalence=_bounded(found.prevalence, k),
            precision=_bounded(found.precision, k),
            recall=_bounded(found.recall, k),
            f1=_bounded(found.f1, k),
            if_unanswered={
                name: (float(interval.lower[k]), float(interval.upper[k]))
                for name, interval in (("precision", extreme.precision), ("recall", extreme.recall), ("f1", extreme.f1))
            },
            mean_score={"positive": _known(rests.score_positive[k]), "negative": _known(rests.score_negative[k])},
            brier=_known(rests.brier[k]),
        )
        for k, output in enumerate(epoch.outputs)
    )
    return Section(
        epoch=epoch.number,
        reason=epoch.reason,
        since=epoch.at or None,
        arrivals=epoch.n,
        asked=epoch.asked,
        lost=epoch.lost,
        floor=epoch.floor,
        outputs=outputs,
    )


def _bounded(interval: Interval, k: int) -> Bounded:
    return Bounded(_known(interval.estimate[k]), float(interval.lower[k]), float(interval.upper[k]))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
