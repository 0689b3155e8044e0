"""The only file that names concrete classes: settings in, a service and its log out."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
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
from models.watched import BUSIEST, MOST_TOLD
from producers.connection import Connection
from producers.kafka import KafkaWriter
from producers.port import Producer
from producers.provision import provision
from producers.sqlite import FILE, SqliteWriter
from producers.topics import MAX_RECORD, Topic, topics
from service.allowance import Allowance
from service.checkpoints import fingerprint
from service.deciding import Asking
from service.decisions import MOST_TERMS
from service.http import Health
from service.keeping import Every, Keeper
from service.learners import encoders_of, restored, rivals_of
from service.ledger import Ledger
from service.metrics import Metrics
from service.outputs import outputs_of, settle_outputs
from service.process import Log, Pace, Service
from service.promotion import heed, served
from service.reacting import watch_of
from service.secret import key_of
from service.settings import Misconfigured, Settings
from service.stopping import Targets

log = structlog.get_logger("assembly")

DAY = 86_400.0
LEAST_PRODUCT = 100_000  # bytes that a product may always have
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


def room_for(outputs: tuple[str, ...], wanted: int) -> int:
    """The largest product taken in, up to `wanted`, so that its query with all its terms fits into one record.

    Raises:
        Misconfigured: the outputs alone fill a record.

    """
    lengths = [len(output.encode()) + 3 for output in outputs]
    query = 13 * len(outputs) + 3 * sum(lengths) + MOST_TERMS * 3 * (max(lengths) + 9)
    tally = sum(lengths) + 85 * len(outputs) + MOST_TOLD + sum(sorted(lengths)[-BUSIEST:])
    left = MAX_RECORD - max(query, tally) - 10_000  # for all else that a query says
    if left < LEAST_PRODUCT:
        raise Misconfigured(
            f"outputs: {len(outputs)} with {sum(lengths):,} characters are too many for one query; "
            "name fewer, or give them shorter names"
        )
    return min(wanted, left)


def make_service(settings: Settings, registry: CollectorRegistry, *, patience: float = 120.0) -> Service:
    """Bring the service to where it stopped, or to its beginning; it serves once the log is open.

    Raises:
        Misconfigured, LedgerUnusable, BadFeed: each says what to do.

    """
    outputs = outputs_of(settings)
    max_bytes = room_for(outputs, settings.log.max_bytes)
    ledger = Ledger(settings.data_dir)
    try:
        ledger.belong_to(log_of(settings))
        targets = Targets(**settings.targets.model_dump())
        asking = asking_of(settings, make_key=True)
        settle_outputs(ledger, outputs, settings.learning.confirm_removed)
        encoders = encoders_of(settings)
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
        metrics = Metrics(registry, learner.outputs, version=version("askance"))
        metrics.serving(learner.version, time.time())
        health = Health(time.monotonic, patience=patience)
        health.ready("model")
        return Service(
            ledger=ledger,
            learner=learner,
            recipe=serves,
            rivals=rivals,
            savings=settings.savings.enabled,
            snapshot=learner.snapshot(),
            asking=replace(asking, finished=frozenset(targets.finished(ledger.evidence))),
            targets=targets,
            watch=watch_of(settings.drift, learner.snapshot()),
            allowance=Allowance(settings.asking.labels_per_hour, settings.asking.carry_over_hours),
            scale=ledger.traffic.scale() or 1.0,
            output_scales=ledger.traffic.output_scales(),
            pace=Pace(
                products=settings.log.batch,
                answers=settings.learning.batch,
                wait=settings.log.wait_seconds,
                max_bytes=max_bytes,
                annotators=settings.learning.annotators_per_query,
            ),
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
        return SqliteReader(path, topics=names, group=group, start=start)

    def write(_: str) -> Producer:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return SqliteWriter(path, topics=made)

    return Clients(read, write)


def log_opener(settings: Settings, ledger: Ledger) -> Callable[[], Log]:
    """How the service opens its log: the scorer in its group, the learner where the ledger stands."""
    reach, group = clients(settings), settings.kafka.group
    learner = f"{group}-learner"

    def opened() -> Log:
        with ExitStack() as so_far:
            producer = so_far.enter_context(closing(reach.write(f"{settings.stream}-{settings.kafka.instance}")))
            products = so_far.enter_context(closing(reach.read(("products",), group, None)))
            answers = reach.read(LEARNER_READS, learner, ledger.position(learner))
            so_far.pop_all()
        return Log(products=products, answers=answers, producer=producer)

    return opened
