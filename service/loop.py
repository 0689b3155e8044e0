"""The main path: products are scored, answers are learnt from, in turns, until told to stop."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from threading import Event
from typing import Final

import structlog

from models.faults import LogUnavailable
from producers.port import DeliveryFailed
from service.http import Health
from service.learn import learn
from service.ledger import Ledger
from service.logs import learnt as describe_learnt
from service.logs import scored as describe_scored
from service.process import Log, Service, bring_in, keep
from service.promotion import heed
from service.reading import at_end
from service.report import section
from service.score import score
from service.stopping import Cause
from service.trials import trials

log = structlog.get_logger("loop")

MOST_NAMED: Final = 20  # outputs named in a log line
LONGEST_PAUSE: Final = 10.0  # seconds between two attempts to open the log
CATCHING_UP: Final = 0.5  # seconds of a turn in which models that are tried learn what was before them


def run(service: Service, open_log: Callable[[], Log], stop: Event) -> None:
    """Serve until `stop`; open the log anew, after a pause, whenever it fails or a publish is in doubt.

    Raises what waiting does not heal: LogRefused, LedgerUnusable.
    """
    pause = 0.1
    while not stop.is_set():
        try:
            with closing(open_log()) as log_now:
                send_what_is_left(service.ledger, log_now)
                service.health.ready("log")
                pause = 0.1
                while not stop.is_set():
                    turn(service, log_now)
        except (LogUnavailable, DeliveryFailed) as error:
            kind = "unavailable" if isinstance(error, LogUnavailable) else "delivery_failed"
            log.warning("log_failed", kind=kind, error=str(error), again_in_seconds=round(pause, 1))
            service.metrics.log_failed(kind)
            service.health.waiting("log", str(error))
            _rest(pause * random.uniform(0.5, 1.5), service.health, stop)  # noqa: S311 - jitter
            pause = min(2 * pause, LONGEST_PAUSE)
    service.health.drain()
    keep(service)


def turn(service: Service, log_now: Log) -> None:
    """Score one batch of products and learn from one batch of answers, each published with the place after it."""
    score_turn(service, log_now)
    if heed(service.ledger, service.rivals.configured, savings=service.savings, now=time.time()):
        bring_in(service)
    learn_turn(service, log_now)
    service.rivals.hurry(service.ledger, until=time.monotonic() + CATCHING_UP, clock=time.monotonic)
    if service.keeper.every.due(time.time()):
        keep(service)
    service.metrics.lag({**log_now.products.lag(), **log_now.answers.lag()})
    service.health.turned()


def score_turn(service: Service, log_now: Log) -> None:
    """Products in; predictions, queries, rejections, tallies and the place after the products out, together."""
    pace = service.pace
    records = log_now.products.poll(pace.products, pace.wait)
    if not records:
        return
    asking = service.asking
    if service.watch is not None and service.ledger.drift.alert():
        asking = asking.raised(service.watch.reaction.factor)
    share = service.allowance.share(asking.share, asking.p_min)
    scored = score(
        records,
        service.snapshot,
        replace(asking, share=share),
        scale=service.scale,
        limit=pace.max_bytes,
        now=time.time(),
        clock=time.perf_counter,
        yardstick=None if service.watch is None else service.watch.yardstick,
        encoder=service.rivals.encoders.of(service.recipe.settings.encoder),
        output_scales=service.output_scales,
    )
    began = time.perf_counter()
    log_now.producer.publish(scored.outgoing, past=log_now.products.position())
    service.scale, service.output_scales = scored.scale, scored.output_scales
    service.allowance.seen(records, scored.spent)
    service.metrics.scored(scored)
    service.metrics.embeddings(*service.rivals.encoders.counts())
    service.metrics.published("score", time.perf_counter() - began)
    log.info("scored", **describe_scored(scored))


def learn_turn(service: Service, log_now: Log) -> None:
    """Answers in; the ledger first, then the model, then what is to be sent with the place after the answers."""
    pace, now = service.pace, time.time()
    records = log_now.answers.poll(pace.answers, 0.0)
    expiring = service.expiry.due(now)
    if records or expiring:
        past = log_now.answers.position()
        learnt = learn(
            records,
            past,
            service.ledger,
            service.learner,
            wanted=pace.annotators,
            limit=pace.max_bytes,
            now=now,
            caught_up=expiring and at_end(log_now.answers),
            clock=time.perf_counter,
            rivals=service.rivals,
            reaction=None if service.watch is None else service.watch.reaction,
        )
        if learnt.promoted:
            log.info("promoted", batch=learnt.batch)
            bring_in(service)
        if learnt.batch is not None:
            service.snapshot = service.learner.snapshot()
            service.metrics.serving(service.snapshot.version, time.time())
        if service.watch is not None:
            service.metrics.reacting(alert=service.watch.follow(service.snapshot, service.ledger.drift))
        if learnt.outgoing:
            began = time.perf_counter()
            log_now.producer.publish(learnt.outgoing, past=past)
            service.metrics.published("learn", time.perf_counter() - began)
            service.ledger.sent()
        service.metrics.learnt(learnt)
        if learnt.alarm is not None:
            log.warning("drift", **learnt.alarm._asdict())
        if expiring or learnt.alarm is not None:
            show_quality(service)
        if records:
            log.info("learnt", **describe_learnt(learnt))
    elif service.display.due(now):
        log_now.producer.publish((), past=log_now.answers.position())


def show_quality(service: Service) -> None:
    """Bring the gauges of quality up to what the ledger knows, and stop asking for the sake of what is good enough."""
    causes = service.targets.finished(service.ledger.evidence)
    finished, by_cause = frozenset(causes), Counter(causes.values())
    if finished != service.asking.finished:
        more = sorted(finished - service.asking.finished)[:MOST_NAMED]
        log.info(
            "finished",
            outputs=len(finished),
            **{cause.value: by_cause[cause] for cause in Cause},
            more={name: causes[name].value for name in more},
            no_longer=sorted(service.asking.finished - finished)[:MOST_NAMED],
        )
        service.asking = replace(service.asking, finished=finished)
    service.metrics.finished(by_cause)
    service.metrics.tried(trials(service.ledger.challenges))
    epoch = service.ledger.evidence.epoch()
    if epoch is not None:
        waiting, _ = service.ledger.evidence.waiting()
        service.metrics.evaluated(section(epoch), waiting)


def send_what_is_left(ledger: Ledger, log_now: Log) -> None:
    """Publish what the ledger still wants sent, unless the log shows that this happened before the last end."""
    left, past = ledger.outbox(), log_now.answers.position()
    if not left:
        return
    if log_now.answers.committed().offsets != past.offsets:
        log_now.producer.publish(left, past=past)
    ledger.sent()


def _rest(seconds: float, health: Health, stop: Event) -> None:
    """Wait for `seconds` or `stop`, alive."""
    until = time.monotonic() + seconds
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        health.turned()
        stop.wait(min(1.0, left))
