"""The only file that names concrete classes: settings in, a service and its log out."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry

from consumers.kafka import KafkaReader
from consumers.port import Consumer
from consumers.sqlite import SqliteReader
from models.policies import policy_named
from models.records import Position
from producers.connection import Connection
from producers.kafka import KafkaWriter
from producers.port import Producer
from producers.provision import provision
from producers.sqlite import FILE, SqliteWriter
from producers.topics import Topic, topics
from service.allowance import Allowance
from service.checkpoints import fingerprint
from service.deciding import Asking
from service.encoders import Encoders
from service.http import Health
from service.keeping import Every, Keeper
from service.learners import encoders_of, restored, rivals_of
from service.learning import LearningHalf
from service.ledger import Ledger
from service.loop import Both, BothLog
from service.metrics import Metrics
from service.outputs import outputs_of, settle_outputs
from service.promotion import heed, served
from service.reacting import reaction_of
from service.room import room_for
from service.scoring import ScoringHalf
from service.secret import key_of
from service.settings import Settings
from service.stopping import Targets

log = structlog.get_logger("assembly")

DAY = 86_400.0
LEARNER_READS = ("queries", "labels", "tallies")


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


def make_both(settings: Settings, registry: CollectorRegistry, *, patience: float = 120.0) -> Both:
    """Bring `askance run` to where it stopped, or to its beginning; it serves once the log is open.

    Raises:
        Misconfigured, LedgerUnusable, BadFeed: each says what to do.

    """
    encoders = encoders_of(settings)
    metrics = Metrics(registry, version=version("askance"))
    health = Health(time.monotonic, patience=patience)
    learning = learning_half(settings, encoders, metrics, health)
    try:
        scoring = scoring_half(settings, encoders, metrics, make_key=True)
    except BaseException:
        learning.ledger.close()
        raise
    return Both(scoring=scoring, learning=learning, health=health, metrics=metrics)


def scoring_half(settings: Settings, encoders: Encoders, metrics: Metrics, *, make_key: bool) -> ScoringHalf:
    """The scoring half, which waits for a model."""
    return ScoringHalf(
        asking=asking_of(settings, make_key=make_key),
        watch=settings.drift.watch,
        encoders=encoders,
        metrics=metrics,
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
        learner, checkpoint, batches = restored(settings, ledger, encoders)
        log.info(
            "restored", model=learner.version, checkpoint=checkpoint, batches=batches, outputs=len(learner.outputs)
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


class Clients(NamedTuple):
    """How to reach the log, whichever it is."""

    read: Callable[[tuple[str, ...], str, Position | None], Consumer]  # topics, group, own start or the group's
    write: Callable[[str], Producer]  # name of the writer, one live process each


def log_of(settings: Settings) -> str:
    """Name of the log, whatever address it has."""
    if not settings.kafka.bootstrap:
        return "the embedded log"
    return f"Kafka, topics {settings.log.prefix}products ..."


def clients(settings: Settings) -> Clients:
    """Choose the log: Kafka where a bootstrap address is set, else the embedded one."""
    return _kafka(settings) if settings.kafka.bootstrap else _embedded(settings)


def _kafka(settings: Settings) -> Clients:
    kafka, log_settings = settings.kafka, settings.log
    connection = Connection(
        servers=kafka.bootstrap.split(","),
        prefix=log_settings.prefix,
        client=f"{settings.stream}-{kafka.instance}",
        patience=kafka.timeout_seconds,
        security=kafka.security,
    )
    wanted = topics(partitions=log_settings.partitions, keep_bytes=log_settings.keep_bytes)

    def made() -> Mapping[str, Topic]:
        return provision(connection, wanted, create=log_settings.create_topics, replication=log_settings.replication)

    def read(names: tuple[str, ...], group: str, start: Position | None) -> Consumer:
        return KafkaReader(
            connection, topics=names, group=group, start=start, instance=None if start else f"{group}-{kafka.instance}"
        )

    def write(name: str) -> Producer:
        return KafkaWriter(connection, name=name, topics=made())

    return Clients(read, write)


def _embedded(settings: Settings) -> Clients:
    made = topics(partitions=settings.log.partitions, keep_bytes=settings.log.keep_bytes)
    path: Path = settings.data_dir / FILE

    def read(names: tuple[str, ...], group: str, start: Position | None) -> Consumer:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return SqliteReader(path, topics=names, group=group, start=start, instance=settings.kafka.instance)

    def write(_: str) -> Producer:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return SqliteWriter(path, topics=made)

    return Clients(read, write)


def open_both(settings: Settings, ledger: Ledger) -> Callable[[], BothLog]:
    """How `askance run` opens its log: the scoring half in its group, the learning half where the ledger stands."""
    reach, group = clients(settings), settings.kafka.group
    learner = f"{group}-learner"

    def opened() -> BothLog:
        with ExitStack() as so_far:
            producer = so_far.enter_context(closing(reach.write(f"{settings.stream}-{settings.kafka.instance}")))
            products = so_far.enter_context(closing(reach.read(("products",), group, None)))
            answers = reach.read(LEARNER_READS, learner, ledger.position(learner))
            so_far.pop_all()
        return BothLog(products=products, answers=answers, producer=producer)

    return opened
