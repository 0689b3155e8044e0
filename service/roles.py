"""What a process does: both halves in one, or one of them, with the model handed over on the topic `snapshots`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from consumers.port import Consumer
from models.faults import LogRefused
from models.shipping import Orders, Receiver, Shipper
from producers.port import Fenced, Producer
from service.http import Health
from service.keeping import Every
from service.learning import LearningHalf, keep, learn_turn, orders_of, send_what_is_left
from service.metrics import Metrics
from service.reading import at_end
from service.scoring import ScoringHalf, score_turn, serve, settle

log = structlog.get_logger("roles")

PARTS: Final = 16  # of snapshots, taken at once: at most so many records are in memory
GATHER: Final = 0.1  # seconds that a learner rests after a turn, unless there was more than it took
WORD: Final = 10.0  # seconds after which scorers hear from a learner that has nothing new
CATCHING_UP: Final = 60.0  # seconds that a learner gets to read what it missed, before it replaces the last model
SLIGHT: Final = 0.05  # part of the share by which it may change without a word


@dataclass(frozen=True, slots=True, kw_only=True)
class BothLog:
    """The log as `askance run` uses it."""

    products: Consumer
    answers: Consumer  # reads queries, labels and tallies from where the ledger stands
    producer: Producer

    def close(self) -> None:
        for client in (self.products, self.answers, self.producer):
            client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """`askance run`: products are scored, answers are learnt from, in turns; the model is handed over in memory."""

    scoring: ScoringHalf
    learning: LearningHalf
    health: Health
    metrics: Metrics

    def begin(self, log_now: BothLog, /) -> None:
        send_what_is_left(self.learning.ledger, log_now.answers, log_now.producer)

    def turn(self, log_now: BothLog, /) -> None:
        serve(self.scoring, self.learning.snapshot, orders_of(self.learning))
        score_turn(self.scoring, log_now.products, log_now.producer)
        learn_turn(self.learning, log_now.answers, log_now.producer)
        self.metrics.lag({**log_now.products.lag(), **log_now.answers.lag()})

    def pause(self) -> None:
        """Nothing: all is published when a turn is over."""

    def end(self) -> None:
        keep(self.learning)


@dataclass(slots=True, kw_only=True)
class ScoringLog:
    """The log as `askance score` uses it. Products are only asked for when there is a model for them."""

    snapshots: Consumer  # from their beginning
    producer: Producer
    join: Callable[[], Consumer]  # the group that shares the products
    products: Consumer | None = None

    def close(self) -> None:
        for client in (self.products, self.snapshots, self.producer):
            if client is not None:
                client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """`askance score`: scores with the newest model that has come, for as long as none comes."""

    half: ScoringHalf
    receiver: Receiver
    health: Health
    metrics: Metrics

    def begin(self, _: ScoringLog, /) -> None:
        """Nothing: what was scored but not published comes again."""

    def turn(self, log_now: ScoringLog, /) -> None:
        if self.half.served is None:
            why = (
                "no snapshot on the topic `snapshots` yet: start `askance learn` on this log, with the same log.prefix"
            )
            self.health.waiting("snapshot", why)
        self._take(log_now)
        if log_now.products is None:
            if self.half.served is None or not at_end(log_now.snapshots):
                return
            log_now.products = log_now.join()
            log.info("joined", model=self.half.served.snapshot.version)
        score_turn(self.half, log_now.products, log_now.producer)
        self.metrics.lag({**log_now.products.lag(), **log_now.snapshots.lag()})

    def _take(self, log_now: ScoringLog) -> None:
        records = log_now.snapshots.poll(PARTS, self.half.wait if log_now.products is None else 0.0)
        received = self.receiver.take(records) if records else None
        self.metrics.ignored(self.receiver.ignored)
        if received is not None:
            serve(self.half, received.snapshot, received.orders)
            self.metrics.taken()
            self.health.serving(received.snapshot.version, received.orders.made_at)
            self.health.ready("snapshot")

    def pause(self) -> None:
        settle(self.half)

    def end(self) -> None:
        """Nothing: all it knows is on the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningLog:
    """The log as `askance learn` uses it."""

    answers: Consumer  # reads queries, labels and tallies from where the ledger stands
    producer: Producer

    def close(self) -> None:
        for client in (self.answers, self.producer):
            client.close()


@dataclass(slots=True, kw_only=True)
class Learner:
    """`askance learn`: learns, and ships what it becomes. One for a stream: the newest shuts the others out."""

    half: LearningHalf
    shipper: Shipper
    every: Every  # time between two models, at least
    health: Health
    metrics: Metrics
    shipped: tuple[object, Orders] | None = None  # last: snapshot and orders
    replaces: float = field(
        default_factory=lambda: time.monotonic() + CATCHING_UP
    )  # the last one's model, at the latest

    def begin(self, log_now: LearningLog, /) -> None:
        with _alone():
            send_what_is_left(self.half.ledger, log_now.answers, log_now.producer)
        self.shipper.doubt()
        self.shipped = None

    def turn(self, log_now: LearningLog, /) -> None:
        with _alone():
            taken = learn_turn(self.half, log_now.answers, log_now.producer)
            self._ship(log_now)
        self.metrics.lag(log_now.answers.lag())
        if 0 < taken < self.half.batch:
            # Scorers tell of every batch, many times a second; a transaction of the ledger for each is no use.
            time.sleep(GATHER)

    def _ship(self, log_now: LearningLog) -> None:
        now = time.time()
        snapshot, orders = self.half.snapshot, replace(orders_of(self.half), made_at=now)
        if self.replaces > time.monotonic() and not at_end(log_now.answers):
            return
        heard = self.shipped is not None and 0.0 <= now - self.shipped[1].made_at < WORD
        if not self.every.due(now) if self._news(snapshot, orders) else heard:
            return
        self.replaces = 0.0
        records = self.shipper.ship(snapshot, orders)
        log_now.producer.publish(records, past=None)
        self.shipped = (snapshot, orders)
        self.metrics.shipped(sum(len(record.value or b"") for record in records))
        self.health.serving(snapshot.version, now)

    def _news(self, snapshot: object, orders: Orders) -> bool:
        """Whether scorers would do anything else if they knew."""
        if self.shipped is None or self.shipped[0] is not snapshot:
            return True
        known = self.shipped[1]
        slight = abs(orders.share - known.share) <= SLIGHT * known.share
        same = replace(
            known, share=orders.share, scale=orders.scale, output_scales=orders.output_scales, made_at=orders.made_at
        )
        return not slight or orders != same

    def pause(self) -> None:
        """Nothing: all is published when a turn is over."""

    def end(self) -> None:
        keep(self.half)


@contextmanager
def _alone() -> Iterator[None]:
    try:
        yield
    except Fenced as error:
        raise LogRefused(
            "another learner of this stream has begun, or this one stood still for too long (kafka.timeout_seconds); "
            f"let one run, on the data_dir that holds the ledger, and start it again ({error})"
        ) from error
