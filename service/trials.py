"""What is told of the models that are tried beside the one that serves."""

from dataclasses import asdict, dataclass
from typing import Any

from models.contrast import per_arrival, worth
from service.challenges import Challenge, Challenges, Kind
from service.recipes import serving
from service.report import ALPHA, Bounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The newest candidate."""

    number: int
    at: float  # seconds since 1970
    model: dict[str, Any]  # settings that are not the defaults
    seed: int
    since: int  # batch from which on answers taught it; 0: all did
    most: int | None  # answers after which it ends if it was not promoted
    outcome: str | None  # None while it is tried
    first: int | None  # batch at which the comparison began
    last: int | None  # batch with which it ended
    answers: int
    difference: Bounded | None  # its loss minus that of the model that serves, per product; below 0 it is better


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """What the choice of queries is worth, as long as this model serves."""

    answers: int
    worth: Bounded | None  # labels that asking at random takes for one; None while nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """All of it."""

    promoted: int  # models that were promoted one upon the other and not rolled back
    candidate: Candidate | None
    savings: Savings | None  # None if it is not measured

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def trials(challenges: Challenges) -> Trials:
    """Tell what the ledger knows of tried models."""
    configured, newest = challenges.configured(), challenges.newest(Kind.CANDIDATE)
    measured = next((one for one in challenges.running() if one.kind is Kind.SAVINGS), None)
    return Trials(
        promoted=0 if configured is None else len(serving(configured, challenges.choices())) - 1,
        candidate=None if newest is None else _candidate(newest),
        savings=None if measured is None else _savings(measured),
    )


def _candidate(one: Challenge) -> Candidate:
    between = per_arrival(one.contrasts[0], ALPHA) if one.contrasts else None
    return Candidate(
        number=one.number,
        at=one.at,
        model=one.recipe.changes(),
        seed=one.recipe.seed,
        since=one.recipe.since,
        most=one.most,
        outcome=None if one.outcome is None else one.outcome.value,
        first=one.first,
        last=one.last,
        answers=one.contrasts[0].answers if one.contrasts else 0,
        difference=None if between is None else Bounded(*between),
    )


def _savings(one: Challenge) -> Savings:
    if not one.contrasts:
        return Savings(answers=0, worth=None)
    gain, halving = one.contrasts
    found = worth(gain, halving, ALPHA)
    return Savings(answers=one.contrasts[0].answers, worth=None if found is None else Bounded(*found))


def said_of(told: Trials) -> list[str]:
    """The same in words, a line each."""
    lines = []
    if told.savings is not None and told.savings.worth is None:
        lines.append(f"what the choice of queries saves is not yet known, after {told.savings.answers:,} answers")
    elif told.savings is not None and (value := told.savings.worth) is not None:
        lines.append(
            f"asking at random would take {value.estimate:.2f} times as many labels for the same loss"
            f" ({value.lower:.2f} to {value.upper:.2f}, at 95 %, at all times), after {told.savings.answers:,} answers"
        )
    if told.candidate is not None:
        lines += _said_of_candidate(told.candidate)
    return lines


def _said_of_candidate(one: Candidate) -> list[str]:
    settings = ", ".join(f"{name} = {value}" for name, value in one.model.items()) or "defaults"
    settings += f"; seed {one.seed}" + (f"; answers since batch {one.since}" if one.since else "")
    most = "" if one.most is None else f" for at most {one.most:,} answers"
    state = f"is tried{most}" if one.outcome is None else f"{one.outcome} at batch {one.last}"
    head = f"candidate {one.number} ({settings}): {state}"
    if one.difference is None:
        return [f"{head}; not compared yet"]
    value = one.difference
    lines = [f"{head}; compared on {one.answers:,} answers since batch {one.first}"]
    lines.append(
        f"its loss minus that of the model that serves: {value.estimate:+.4f} per product ({value.lower:+.4f} to"
        f" {value.upper:+.4f}, at 95 %, at all times); promoted when all of that is below 0"
    )
    return lines
