"""The learning step: queries and labels in, joined in the ledger, weighed and applied to the model."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from models.coding import Malformed, read
from models.joining import Outcome
from models.messages import Label, Message, Query, Reason, Tally
from models.port import Learning
from models.records import Outgoing, Position, Record
from producers.topics import MAX_RECORD
from service.batches import Batch
from service.decisions import rejected
from service.drift import Alarm
from service.joining import Taken, join
from service.ledger import Ledger
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
    tallies: tuple[Tally, ...] = ()  # new ones read
    promoted: bool = False  # a candidate was shown to be better, and serves from this batch on
    alarm: Alarm | None = None  # drift that was found and is reacted to


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

    Raises:
        LedgerUnusable: it cannot be written.
        LogRefused: the log has begun anew, and the ledger is of the one before.

    """
    started = clock()
    taken, rejections = _decode(records, limit)
    outgoing = tuple(rejected(record, error) for record, error in rejections)
    decoded = clock()
    with ledger.transaction():
        joined = join(taken, ledger, set(learner.outputs), wanted)
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
        tallies=tuple(joined.tallies),
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
