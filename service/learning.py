"""The learning half: answers in; the ledger first, then the model, then what is to be sent.

What it makes is a snapshot and the orders that go with it, for whoever scores.
"""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

import structlog

from consumers.port import Consumer
from models.port import Learning, Serving
from models.shipping import Orders
from producers.port import Producer
from service.allowance import Allowance
from service.checkpoints import catch_up, fingerprint
from service.http import Health
from service.keeping import Every, Keeper
from service.learn import learn
from service.ledger import Ledger
from service.logs import learnt as describe_learnt
from service.metrics import Metrics
from service.promotion import heed, served
from service.reacting import Reaction
from service.reading import at_end
from service.recipes import Recipe
from service.report import section
from service.rivals import Rivals
from service.stopping import Cause, Targets
from service.trials import trials

log = structlog.get_logger("learning")

MOST_NAMED: Final = 20  # outputs named in a log line
CATCHING_UP: Final = 0.5  # seconds of a turn in which models that are tried learn what was before them


@dataclass(slots=True, kw_only=True)
class LearningHalf:
    """What learning holds between two batches. One thread owns it."""

    ledger: Ledger
    learner: Learning
    recipe: Recipe  # of it
    rivals: Rivals
    savings: bool  # are measured
    snapshot: Serving  # of the learner
    made_at: float  # seconds since 1970 at which it was made
    share: float  # of arrivals to ask about, as configured
    floor: float  # the least chance, as configured
    allowance: Allowance
    targets: Targets
    finished: frozenset[str]  # outputs for whose sake nothing more is asked
    reaction: Reaction | None  # to drift; None if nobody watches
    annotators: int  # answers that settle a query
    batch: int  # most queries, labels and tallies taken at once
    wait: float  # seconds, for the first of them
    max_bytes: int  # of a label
    keeper: Keeper
    metrics: Metrics
    health: Health
    expiry: Every
    display: Every  # the learner's place is shown to the log when it has nothing else to publish


def orders_of(half: LearningHalf) -> Orders:
    """What scorers are to do from now on, as far as the tallies tell."""
    alert = half.reaction is not None and half.ledger.drift.alert()
    factor = half.reaction.factor if half.reaction is not None and alert else 1.0
    share, floor = min(1.0, factor * half.share), min(1.0, factor * half.floor)
    return Orders(
        share=half.allowance.share(share, floor),
        factor=factor,
        finished=tuple(sorted(half.finished)),
        scale=half.ledger.traffic.scale() or 1.0,
        output_scales=half.ledger.traffic.output_scales(),
        yardstick=alert,
        encoder=half.recipe.settings.encoder,
        made_at=half.made_at,
    )


def learn_turn(half: LearningHalf, answers: Consumer, producer: Producer) -> int:
    """Heed what commands ask, learn from one batch, publish what came of it, keep the model now and then.

    Returns how many queries, labels and tallies it took.
    """
    if heed(half.ledger, half.rivals.configured, savings=half.savings, now=time.time()):
        bring_in(half)
    taken = _learn(half, answers, producer)
    half.rivals.hurry(half.ledger, until=time.monotonic() + CATCHING_UP, clock=time.monotonic)
    if half.keeper.due(time.time()):
        keep(half)
    return taken


def _learn(half: LearningHalf, answers: Consumer, producer: Producer) -> int:
    records, now = answers.poll(half.batch, half.wait), time.time()
    expiring = half.expiry.due(now)
    if not records and not expiring:
        if half.display.due(now):
            producer.publish((), past=answers.position())
        return 0
    past = answers.position()
    learnt = learn(
        records,
        past,
        half.ledger,
        half.learner,
        wanted=half.annotators,
        limit=half.max_bytes,
        now=now,
        caught_up=expiring and at_end(answers),
        clock=time.perf_counter,
        rivals=half.rivals,
        reaction=half.reaction,
    )
    half.keeper.behind += learnt.seconds["update"] + learnt.seconds["rivals"]
    for tally in learnt.tallies:
        half.allowance.seen(tally)
    if learnt.promoted:
        log.info("promoted", batch=learnt.batch)
        bring_in(half)
    if learnt.batch is not None:
        _renew(half)
    half.metrics.reacting(alert=half.reaction is not None and half.ledger.drift.alert())
    if learnt.outgoing:
        began = time.perf_counter()
        producer.publish(learnt.outgoing, past=past)
        half.metrics.published("learn", time.perf_counter() - began)
        half.ledger.sent()
    half.metrics.learnt(learnt)
    if learnt.alarm is not None:
        log.warning("drift", **learnt.alarm._asdict())
    if expiring or learnt.alarm is not None:
        show_quality(half)
    if records:
        log.info("learnt", **describe_learnt(learnt))
    return len(records)


def _renew(half: LearningHalf) -> None:
    half.snapshot, half.made_at = half.learner.snapshot(), time.time()


def bring_in(half: LearningHalf) -> None:
    """Let the model serve that the ledger says should, with those beside it that it says are tried."""
    ledger, rivals = half.ledger, half.rivals
    recipe = served(ledger, rivals.configured)[-1]
    if recipe != half.recipe:
        keep(half)  # the way back
        half.recipe = recipe
        name = fingerprint(*recipe)
        half.learner = rivals.names().get(name) or rivals.resumed(ledger, recipe)
        for _ in catch_up(half.learner, ledger):
            half.health.turned()
        half.keeper.settings, half.keeper.batch = name, None
        _renew(half)
    for _ in rivals.settle(ledger):
        half.health.turned()


def keep(half: LearningHalf) -> None:
    """Keep the model that serves and those beside it, and what the model before needs to come back."""
    before = [fingerprint(*recipe) for recipe in served(half.ledger, half.rivals.configured)[-2:]]
    half.keeper.keep(half.learner, half.ledger, half.metrics, half.rivals.names(), before)


def show_quality(half: LearningHalf) -> None:
    """Bring the gauges of quality up to what the ledger knows, and stop asking for the sake of what is good enough."""
    causes = half.targets.finished(half.ledger.evidence)
    finished, by_cause = frozenset(causes), Counter(causes.values())
    if finished != half.finished:
        more = sorted(finished - half.finished)[:MOST_NAMED]
        log.info(
            "finished",
            outputs=len(finished),
            **{cause.value: by_cause[cause] for cause in Cause},
            more={name: causes[name].value for name in more},
            no_longer=sorted(half.finished - finished)[:MOST_NAMED],
        )
        half.finished = finished
    half.metrics.finished(by_cause)
    half.metrics.tried(trials(half.ledger.challenges))
    epoch = half.ledger.evidence.epoch()
    if epoch is not None:
        waiting, _ = half.ledger.evidence.waiting()
        half.metrics.evaluated(section(epoch), waiting)


def send_what_is_left(ledger: Ledger, answers: Consumer, producer: Producer) -> None:
    """Publish what the ledger still wants sent, unless the log shows that this happened before the last end."""
    left, past = ledger.outbox(), answers.position()
    if not left:
        return
    if answers.committed().offsets != past.offsets:
        producer.publish(left, past=past)
    ledger.sent()
