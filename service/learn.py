"""The learning step: queries and labels in, joined in the ledger, weighed and applied to the model."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from models.coding import Malformed, read
from models.joining import CLOSED, Outcome, State, settle, usable
from models.messages import Label, Message, Query, Reason, Tally
from models.port import Learning
from models.records import Outgoing, Position, Record
from producers.topics import MAX_RECORD
from service.batches import Batch
from service.deciding import rejected
from service.drift import Alarm, Change
from service.ledger import Kept, Ledger
from service.reacting import Reaction, audit, react
from service.rivals import Rivals
from service.teaching import apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """All that happened to one batch of what the learner reads."""

    outgoing: tuple[Outgoing, ...]
    queries: int  # new ones read
    outcomes: Mapping[Outcome, int]
    ignored: Mapping[str, int]  # answers left aside inside good labels: unknown_output, not_asked
    rejected: Mapping[tuple[str, Reason], int]  # by topic and reason
    delays: tuple[float, ...]  # seconds from asking to the label's arrival, one per applied label
    batch: int | None  # number of the batch of updates this made; None if none
    lessons: int  # queries the model learnt from
    steps: int  # optimiser steps taken
    evaluated: int  # arrivals whose answers are all in, or given up, since the batch before
    states: Mapping[str, int]  # the ledger's balance after it: issued, open, answered, skipped, expired, withdrawn
    model: int  # version of the learner after it
    seconds: Mapping[str, float]  # by stage: decode, join, update, rivals
    promoted: bool = False  # a candidate was shown to be better, and serves from this batch on
    alarm: Alarm | None = None  # drift that was found and is reacted to


@dataclass(slots=True)
class _Joined:
    """What the joining of one batch of records came to."""

    queries: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    lessons: dict[str, tuple[Query, Mapping[str, float]]] = field(default_factory=dict)  # by query, newest
    change: Change | None = None  # drift


# A label of these outcomes never counts, whatever comes later.
NOTHING: Final = (Outcome.EXPIRED, Outcome.WITHDRAWN, Outcome.EMPTY)

Taken = tuple[Record, Message | None]  # None withdraws the query that the key names


def learn(
    records: Sequence[Record],
    past: Position,
    ledger: Ledger,
    learner: Learning,
    *,
    wanted: int,
    limit: int,
    now: float,
    caught_up: bool,
    clock: Callable[[], float],
    rivals: Rivals | None = None,
    reaction: Reaction | None = None,
) -> Learnt:
    """Join records in the ledger and let the model learn from what that changed.

    Args:
        records: of the topics `queries`, `labels` and `tallies`, in any order.
        past: the place after them; stored in the same transaction as what they did.
        ledger: changed, in one transaction, before the model is.
        learner: changed afterwards, by the batch the ledger then holds.
        wanted: annotators whose answers settle a query.
        limit: largest label decoded, in bytes.
        now: seconds since the epoch.
        caught_up: nothing older waits in the log, so that open queries may expire by `now`.
        clock: monotonic seconds, for the timings.
        rivals: models that learn beside it; compared in the same transaction, before any model has learnt.
        reaction: to drift; None does not look for it.

    """
    started = clock()
    taken, rejections = _decode(records, limit)
    outgoing = tuple(rejected(record, error) for record, error in rejections)
    decoded = clock()
    with ledger.transaction():
        joined = _join(taken, ledger, set(learner.outputs), wanted)
        if caught_up:
            ledger.expire(now)
        evaluated = ledger.evidence.advance(caught_up=caught_up)
        lessons = tuple(joined.lessons.values())
        change = None if reaction is None else joined.change or audit(lessons, ledger, now)
        batches, alarm, promoted, comparing = [], None, False, clock()
        if lessons:
            number = ledger.batches.add_lessons([(query.id, shares) for query, shares in lessons], now)
            batches.append(Batch(number, None, lessons))
            comparing = clock()
            promoted = rivals is not None and rivals.confront(batches[0], learner, ledger, now)
        compared = clock()
        if reaction is not None and change is not None:
            alarm, calibrating = react(change, reaction, ledger, now)
            batches += [calibrating] if calibrating else []
        ledger.read_past(past)
        ledger.put_out(outgoing)
    written = clock()
    steps = sum([apply(batch, learner) for batch in batches])
    updated = clock()
    if rivals is not None:
        for batch in batches:
            rivals.learn(batch)
    return Learnt(
        outgoing=outgoing,
        queries=joined.queries,
        outcomes=joined.outcomes,
        ignored=joined.ignored,
        rejected=Counter((record.topic, error.reason) for record, error in rejections),
        delays=tuple(joined.delays),
        batch=batches[-1].number if batches else None,
        lessons=len(lessons),
        steps=steps,
        evaluated=evaluated,
        alarm=alarm,
        states=ledger.balance(),
        model=learner.version,
        promoted=promoted,
        seconds={
            "decode": decoded - started,
            "join": written - decoded - (compared - comparing),
            "update": updated - written,
            "rivals": compared - comparing + clock() - updated,
        },
    )


def _decode(records: Sequence[Record], limit: int) -> tuple[list[Taken], list[tuple[Record, Malformed]]]:
    kinds: dict[str, type[Message]] = {"queries": Query, "labels": Label, "tallies": Tally}
    taken: list[Taken] = []
    rejections = []
    for record in records:
        if record.value is None and record.topic == "queries" and record.key is not None:
            taken.append((record, None))
            continue
        try:
            # What we have written ourselves may be larger than what comes in from outside.
            most = limit if record.topic == "labels" else MAX_RECORD
            taken.append((record, read(kinds[record.topic], record, limit=most)))
        except Malformed as error:
            rejections.append((record, error))
    return taken, rejections


def _join(taken: Sequence[Taken], ledger: Ledger, outputs: set[str], wanted: int) -> _Joined:
    joined = _Joined()
    for record, message in taken:
        if message is None:
            _withdraw(record.key or b"", ledger)
        elif isinstance(message, Query):
            if ledger.add_query(message, record.at):
                joined.queries += 1
                for place, label, at, _ in ledger.answers(message.id):
                    _weigh(place, label, at, ledger, joined, wanted)
        elif isinstance(message, Label):
            place = ledger.add_answer(message, record.at)
            joined.ignored["unknown_output"] += sum(output not in outputs for output in message.answers)
            _weigh(place, message, record.at, ledger, joined, wanted)
        elif isinstance(message, Tally):
            ledger.evidence.add_tally(message)
            joined.change = ledger.drift.add(message) or joined.change
            ledger.traffic.add(message)
    return joined


def _withdraw(key: bytes, ledger: Ledger) -> None:
    identity = key.decode(errors="replace")
    kept = ledger.query(identity)
    if kept is not None and kept.state in (State.OPEN, State.SKIPPED):
        ledger.move(identity, State.WITHDRAWN, {})


def _weigh(place: int, label: Label, at: float, ledger: Ledger, joined: _Joined, wanted: int) -> None:
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
