"""The two halves as settings and ledger have them, before any log is open."""

import time
from concurrent.futures import Executor, ThreadPoolExecutor

import structlog

from models.policies import policy_named
from service.allowance import Allowance
from service.checkpoints import fingerprint
from service.deciding import Asking
from service.encoders import Encoders
from service.http import Health
from service.keeping import Every, Keeper
from service.learners import restored, rivals_of
from service.learning import LearningHalf
from service.ledger import Ledger
from service.metrics import Metrics
from service.outputs import outputs_of, settle_outputs
from service.promotion import heed, served
from service.reacting import reaction_of
from service.room import room_for
from service.scoring import ScoringHalf
from service.secret import key_of
from service.settings import Settings
from service.stopping import Targets

log = structlog.get_logger("halves")

DAY = 86_400.0


def asking_of(settings: Settings, *, make_key: bool = False) -> Asking:
    """The rule by which arrivals are asked about."""
    asking = settings.asking
    return Asking(
        policy=policy_named(asking.policy, damping=asking.damping),
        unit=asking.unit,
        share=asking.share,
        p_min=asking.floor,
        eta=asking.eta,
        key=key_of(settings, make=make_key),
        stream=settings.stream,
        expires=asking.expires_days * DAY,
        output_shares=asking.output_shares,
    )


def ahead_of(settings: Settings) -> Executor | None:
    """Where a scorer publishes while it scores on: only beside a writer that works without this interpreter."""
    kafka = settings.kafka
    overlaps = kafka.bootstrap and (kafka.client == "confluent" or kafka.writer_apart)
    return ThreadPoolExecutor(1, "publishing") if overlaps else None


def scoring_half(
    settings: Settings, encoders: Encoders, metrics: Metrics, *, make_key: bool, ahead: Executor | None = None
) -> ScoringHalf:
    """The scoring half, which waits for a model."""
    return ScoringHalf(
        asking=asking_of(settings, make_key=make_key),
        watch=settings.drift.watch,
        encoders=encoders,
        metrics=metrics,
        ahead=ahead,
        batch=settings.log.batch,
        wait=settings.log.wait_seconds,
        max_bytes=settings.log.max_bytes,
    )


def learning_half(
    settings: Settings, encoders: Encoders, metrics: Metrics, health: Health, *, wait: float = 0.0
) -> LearningHalf:
    """The learning half as its ledger has it; `wait` is how long a turn waits for answers, in seconds."""
    outputs = outputs_of(settings)
    max_bytes = room_for(outputs, settings.log.max_bytes)
    ledger = Ledger(settings.data_dir)
    try:
        ledger.belong_to(log_of(settings))
        settle_outputs(ledger, outputs, settings.learning.confirm_removed)
        rivals = rivals_of(settings, encoders)
        with ledger.transaction():
            ledger.challenges.configure(rivals.configured)
        heed(ledger, rivals.configured, savings=settings.savings.enabled, now=time.time())
        began = time.perf_counter()
        learner, checkpoint, batches = restored(settings, ledger, encoders)
        log.info(
            "restored",
            model=learner.version,
            checkpoint=checkpoint,
            batches=batches,
            outputs=len(learner.outputs),
            seconds=round(time.perf_counter() - began, 3),
        )
        serves = served(ledger, rivals.configured)[-1]
        for _ in rivals.settle(ledger):
            pass
        metrics.name(learner.outputs)
        health.ready("model")
        targets = Targets(**settings.targets.model_dump())
        return LearningHalf(
            ledger=ledger,
            learner=learner,
            recipe=serves,
            rivals=rivals,
            savings=settings.savings.enabled,
            snapshot=learner.snapshot(),
            made_at=time.time(),
            share=settings.asking.share,
            floor=settings.asking.floor,
            allowance=Allowance(settings.asking.labels_per_hour, settings.asking.carry_over_hours),
            targets=targets,
            finished=frozenset(targets.finished(ledger.evidence)),
            reaction=reaction_of(settings.drift),
            annotators=settings.learning.annotators_per_query,
            batch=settings.learning.batch,
            wait=wait,
            max_bytes=max_bytes,
            keeper=Keeper(
                directory=settings.data_dir / "checkpoints",
                settings=fingerprint(*serves),
                kept=settings.learning.checkpoints_kept,
                every=Every(settings.learning.checkpoint_seconds),
                batch=checkpoint if not batches else None,
            ),
            metrics=metrics,
            health=health,
            expiry=Every(10.0),
            display=Every(1.0),
        )
    except BaseException:
        ledger.close()
        raise


def log_of(settings: Settings) -> str:
    """Name of the log, whatever address it has."""
    if not settings.kafka.bootstrap:
        return "the embedded log"
    return f"Kafka, topics {settings.log.prefix}products ..."
