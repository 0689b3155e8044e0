"""The only file that names concrete classes: settings in, a service and its log out."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from consumers.kafka import KafkaReader
from consumers.port import Consumer
from consumers.sqlite import SqliteReader
from models.records import Position
from models.shipping import Receiver, Shipper
from producers.apart import ApartWriter
from producers.connection import Connection
from producers.kafka import KafkaWriter
from producers.port import Producer
from producers.provision import provision
from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE
from producers.topics import Topic, topics
from service.halves import ahead_of, learning_half, scoring_half
from service.http import Health
from service.keeping import Every
from service.kinds import roots_of
from service.learners import device_of, encoders_of
from service.ledger import Ledger
from service.metrics import Metrics
from service.roles import Both, BothLog, Learner, LearningLog, Scorer, ScoringLog
from service.settings import Misconfigured, Settings

LEARNER_READS = ("queries", "labels", "tallies")


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


def make_scorer(settings: Settings, registry: CollectorRegistry, *, patience: float = 120.0) -> Scorer:
    """`askance score`, which waits for a model.

    Raises:
        Misconfigured: says what to do; there is no secret of the draws, above all.

    """
    metrics = Metrics(registry, version=version("askance"))
    return Scorer(
        half=scoring_half(settings, encoders_of(settings), metrics, make_key=False, ahead=ahead_of(settings)),
        receiver=Receiver(device=device_of(settings), roots=roots_of(settings.model)),
        health=Health(time.monotonic, patience=patience, parts=("snapshot", "log")),
        metrics=metrics,
    )


def make_learner(settings: Settings, registry: CollectorRegistry, *, patience: float = 120.0) -> Learner:
    """Bring `askance learn` to where it stopped, or to its beginning.

    Raises:
        Misconfigured, LedgerUnusable, BadFeed: each says what to do.

    """
    metrics = Metrics(registry, version=version("askance"))
    health = Health(time.monotonic, patience=patience)
    return Learner(
        half=learning_half(settings, encoders_of(settings), metrics, health, wait=settings.log.wait_seconds),
        shipper=Shipper(),
        every=Every(settings.learning.snapshot_seconds),
        health=health,
        metrics=metrics,
    )


class Clients(NamedTuple):
    """How to reach the log, whichever it is."""

    read: Callable[[tuple[str, ...], str, Position | None], Consumer]  # topics, group, own start or the group's
    write: Callable[[str], Producer]  # name of the writer, one live process each


def clients(settings: Settings, *, apart: bool = False) -> Clients:
    """Choose the log: Kafka where a bootstrap address is set, else the embedded one.

    With `apart`, kafka-python writes from a process of its own.
    """
    return _kafka(settings, apart=apart) if settings.kafka.bootstrap else _embedded(settings)


def _kafka_client(name: str, *, apart: bool) -> tuple[Callable[..., Consumer], Callable[..., Producer]]:
    if name == "kafka-python":
        return KafkaReader, ApartWriter if apart else KafkaWriter
    if find_spec("confluent_kafka") is None:
        raise Misconfigured(
            "kafka.client = confluent needs a package that is not here: pip install 'askance[confluent]', "
            "or choose kafka-python"
        )
    from consumers.confluent import ConfluentReader  # noqa: PLC0415 - an extra
    from producers.confluent import ConfluentWriter  # noqa: PLC0415 - an extra

    return ConfluentReader, ConfluentWriter


def _kafka(settings: Settings, *, apart: bool) -> Clients:
    kafka, log_settings = settings.kafka, settings.log
    reader, writer = _kafka_client(kafka.client, apart=apart)
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
        return reader(
            connection,
            topics=names,
            group=log_settings.prefix + group,  # else installations that differ in the prefix would share it
            start=start,
            instance=None if start else f"{group}-{kafka.instance}",
            session=kafka.session_seconds,
        )

    def write(name: str) -> Producer:
        return writer(connection, name=log_settings.prefix + name, topics=made())

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


def open_scorer(settings: Settings) -> Callable[[], ScoringLog]:
    """How `askance score` opens its log: snapshots from their beginning, products in its group."""
    reach, group = clients(settings, apart=settings.kafka.writer_apart), settings.kafka.group

    def opened() -> ScoringLog:
        with ExitStack() as so_far:
            producer = so_far.enter_context(closing(reach.write(f"{settings.stream}-{settings.kafka.instance}")))
            snapshots = reach.read(("snapshots",), f"{group}-scorers", Position(group=f"{group}-scorers"))
            so_far.pop_all()
        return ScoringLog(snapshots=snapshots, producer=producer, join=lambda: reach.read(("products",), group, None))

    return opened


def open_learner(settings: Settings, ledger: Ledger) -> Callable[[], LearningLog]:
    """How `askance learn` opens its log: under one name for all learners of the stream, so that one can write."""
    reach, group = clients(settings), f"{settings.kafka.group}-learner"

    def opened() -> LearningLog:
        with ExitStack() as so_far:
            producer = so_far.enter_context(closing(reach.write(f"{settings.stream}/learner")))
            answers = reach.read(LEARNER_READS, group, ledger.position(group))
            so_far.pop_all()
        return LearningLog(answers=answers, producer=producer)

    return opened
