"""The joining of what the learner reads in the ledger: each label to its query, and what that query then teaches."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from models.faults import LogRefused
from models.joining import CLOSED, Outcome, State, settle, usable
from models.messages import Label, Message, Query, Tally
from models.records import Record
from service.drift import Change
from service.ledger import Kept, Ledger

# A label of these outcomes never counts, whatever comes later.
NOTHING: Final = (Outcome.EXPIRED, Outcome.WITHDRAWN, Outcome.EMPTY)

Taken = tuple[Record, Message | None]


@dataclass(slots=True)
class Joined:
    """What the joining of one batch of records came to."""

    queries: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    lessons: dict[str, tuple[Query, Mapping[str, float]]] = field(default_factory=dict)  # by query, newest
    tallies: list[Tally] = field(default_factory=list)
    change: Change | None = None  # drift


def join(taken: Sequence[Taken], ledger: Ledger, outputs: set[str], wanted: int) -> Joined:
    """Keep what was read, in order, inside the transaction of the step that calls it.

    Args:
        taken: records with what each says, or None: such a one withdraws the query that its key names.
        ledger: changed.
        outputs: of the model.
        wanted: annotators whose answers settle a query.

    Raises:
        LogRefused: a known query comes with another product, so the log has begun anew.

    """
    joined = Joined()
    for record, message in taken:
        if message is None:
            _withdraw(record.key or b"", ledger)
        elif isinstance(message, Query):
            if ledger.add_query(message, record.at):
                joined.queries += 1
                for place, label, at, _ in ledger.answers(message.id):
                    _weigh(place, label, at, ledger, joined, wanted)
            else:
                _check_known(message, ledger)
        elif isinstance(message, Label):
            place = ledger.add_answer(message, record.at)
            joined.ignored["unknown_output"] += sum(output not in outputs for output in message.answers)
            _weigh(place, message, record.at, ledger, joined, wanted)
        elif isinstance(message, Tally):
            ledger.evidence.add_tally(message)
            joined.change = ledger.drift.add(message) or joined.change
            ledger.traffic.add(message)
            joined.tallies.append(message)
    return joined


def _check_known(query: Query, ledger: Ledger) -> None:
    kept = ledger.query(query.id)
    if kept is not None and kept.query.product.id != query.product.id:
        # Its labels would be taken for the other product's.
        raise LogRefused(
            f"the query {query.id} about {query.arrival} is known with another product: the topic products has begun "
            f"anew, and {ledger.path} holds what was learnt from the one before; go on under another log.prefix with "
            "another data_dir, or bring the topic back"
        )


def _withdraw(key: bytes, ledger: Ledger) -> None:
    identity = key.decode(errors="replace")
    kept = ledger.query(identity)
    if kept is not None and kept.state in (State.OPEN, State.SKIPPED):
        ledger.move(identity, State.WITHDRAWN, {})


def _weigh(place: int, label: Label, at: float, ledger: Ledger, joined: Joined, wanted: int) -> None:
    """Give one kept label its outcome, and its query the state and the lesson that follow."""
    kept = ledger.query(label.query)
    outcome = Outcome.UNKNOWN_QUERY if kept is None else _outcome(place, label, at, kept, ledger, wanted)
    ledger.set_outcome(place, outcome)
    joined.outcomes[outcome] += 1
    if kept is None or outcome in NOTHING or outcome is Outcome.REPEATED:
        return
    asked = kept.query.ask
    joined.ignored["not_asked"] += sum(output not in asked for output in label.answers)
    settlement = settle(_newest(place, label.query, ledger), asked, wanted)
    ledger.move(label.query, settlement.state, settlement.shares)
    if settlement.shares != kept.shares:
        joined.lessons.pop(label.query, None)
        joined.lessons[label.query] = (kept.query, settlement.shares)
    if outcome is Outcome.APPLIED:
        joined.delays.append(max(0.0, at - kept.query.asked_at))


def _newest(place: int, query: str, ledger: Ledger) -> list[Label]:
    """Each annotator's newest label up to `place` that counts, in the order of their first."""
    newest: dict[str, Label] = {}
    for other, label, _, outcome in ledger.answers(query):
        if other <= place and outcome not in NOTHING:
            newest[label.annotator] = label
    return list(newest.values())


def _outcome(place: int, label: Label, at: float, kept: Kept, ledger: Ledger, wanted: int) -> Outcome:
    if kept.state in CLOSED:
        return Outcome(kept.state.value)
    before = _before(place, label, ledger)
    standing = before is not None and not before.deleted
    if label.deleted:
        return Outcome.DELETED if standing else Outcome.EMPTY
    if not usable(label, kept.query.ask):
        return Outcome.EMPTY
    if before is None and at > kept.query.expires_at:
        return Outcome.EXPIRED
    if before is not None and standing and (before.answers, before.skipped) == (label.answers, label.skipped):
        return Outcome.REPEATED
    return _joined_as(place, label, kept.query.ask, ledger, wanted, standing=standing)


def _joined_as(
    place: int, label: Label, asked: Sequence[str], ledger: Ledger, wanted: int, *, standing: bool
) -> Outcome:
    if label.skipped:
        return Outcome.SKIPPED
    # The label itself is kept already, so it stands in its annotator's place among the newest.
    if label.annotator not in settle(_newest(place, label.query, ledger), asked, wanted).counted:
        return Outcome.SETTLED
    return Outcome.REPLACED if standing else Outcome.APPLIED


def _before(place: int, label: Label, ledger: Ledger) -> Label | None:
    """The same annotator's label before this one, if it counts for anything."""
    mine = None
    for other, one, _, outcome in ledger.answers(label.query):
        if other < place and one.annotator == label.annotator and outcome not in NOTHING:
            mine = one
    return mine
