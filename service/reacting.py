"""What is done about drift: ask more for a while, evaluate anew, calibrate anew, try a model that forgets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.messages import Query
from service.batches import Batch
from service.drift import Alarm, Change
from service.drift_settings import DriftSettings
from service.ledger import Ledger
from service.promotion import try_afresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """The steps taken when something has changed, and how long they last."""

    arrivals: int  # that it lasts; nothing is watched meanwhile
    factor: float  # on the share of arrivals asked about and on the least chance, meanwhile
    epoch: bool  # a new epoch of evaluation begins, and with it finished outputs are asked for again
    keep: int  # newest answers that the scores are calibrated on at once; 0 leaves the calibration as it is
    candidate: int = 0  # answers by which a model that forgets has to be shown better; 0 tries none


def reaction_of(settings: DriftSettings) -> Reaction | None:
    """What is to be done, as set; None if nobody is to look."""
    if not settings.watch:
        return None
    return Reaction(
        arrivals=settings.arrivals, factor=settings.raise_share, epoch=settings.new_epoch, keep=settings.recalibrate_on,
        candidate=settings.candidate_answers if settings.candidate else 0,
    )  # fmt: skip


def audit(lessons: Iterable[tuple[Query, Mapping[str, float]]], ledger: Ledger, now: float) -> Change | None:
    """Look whether what was decided was wrong, in first answers to queries of the uniform sample (draw below floor)."""
    change = None
    for query, shares in lessons:
        draw = query.because.draw
        if shares and draw is not None and draw < query.because.floor and not ledger.batches.taught_by(query.id):
            wrong = any((share > 0.5) != (output in query.positive) for output, share in shares.items())
            change = ledger.drift.audited(wrong=wrong, at=now) or change
    return change


def react(change: Change, reaction: Reaction, ledger: Ledger, now: float) -> tuple[Alarm, Batch | None]:
    """Enter the reaction in the ledger, in the transaction of the step; the batch is for the model to take after it."""
    number = ledger.batches.add_lessons((), now) if reaction.keep else None
    if reaction.epoch:
        ledger.evidence.open_epoch(ledger.batches.outputs(), str(change), change.at)
    alarm = ledger.drift.react(change, arrivals=reaction.arrivals, batch=number, keep=reaction.keep)
    if reaction.candidate:
        try_afresh(ledger, reaction.candidate, now)
    return alarm, None if number is None else Batch(number, None, (), reaction.keep)
