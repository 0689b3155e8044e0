"""The main path: turn after turn until told to stop, whatever the log does. What a turn is, the role says."""

import random
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import Final, Protocol, TypeVar

import structlog

from consumers.port import Consumer
from models.faults import LogUnavailable
from producers.port import DeliveryFailed, Producer
from service.http import Health
from service.learning import LearningHalf, keep, learn_turn, orders_of, send_what_is_left
from service.metrics import Metrics
from service.scoring import ScoringHalf, score_turn, serve

log = structlog.get_logger("loop")

LONGEST_PAUSE: Final = 10.0  # seconds between two attempts to open the log


class Closable(Protocol):
    """Clients of the log, opened together and dropped together."""

    def close(self) -> None:
        """Let go of all of them. Twice is once."""


Log = TypeVar("Log", bound=Closable)
Log_contra = TypeVar("Log_contra", bound=Closable, contravariant=True)


class Role(Protocol[Log_contra]):
    """What outlives the connections to the log, and what it does with them. One thread owns all of it."""

    @property
    def health(self) -> Health: ...
    @property
    def metrics(self) -> Metrics: ...
    def begin(self, log_now: Log_contra, /) -> None:
        """Once after the log was opened."""

    def turn(self, log_now: Log_contra, /) -> None:
        """One bounded piece of work; all of it is published before it returns."""

    def end(self) -> None:
        """Once, before the process ends in peace."""


def run(role: Role[Log], open_log: Callable[[], Log], stop: Event) -> None:
    """Serve until `stop`; open the log anew, after a pause, whenever it fails or a publish is in doubt.

    Raises what waiting does not heal: LogRefused, LedgerUnusable.
    """
    pause = 0.1
    while not stop.is_set():
        try:
            with closing(open_log()) as log_now:
                role.begin(log_now)
                role.health.ready("log")
                pause = 0.1
                while not stop.is_set():
                    role.turn(log_now)
                    role.health.turned()
        except (LogUnavailable, DeliveryFailed) as error:
            kind = "unavailable" if isinstance(error, LogUnavailable) else "delivery_failed"
            log.warning("log_failed", kind=kind, error=str(error), again_in_seconds=round(pause, 1))
            role.metrics.log_failed(kind)
            role.health.waiting("log", str(error))
            _rest(pause * random.uniform(0.5, 1.5), role.health, stop)  # noqa: S311 - jitter
            pause = min(2 * pause, LONGEST_PAUSE)
    role.health.drain()
    role.end()


@dataclass(frozen=True, slots=True, kw_only=True)
class BothLog:
    """The log as both halves in one process use it."""

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

    def end(self) -> None:
        keep(self.learning)


def _rest(seconds: float, health: Health, stop: Event) -> None:
    """Wait for `seconds` or `stop`, alive."""
    until = time.monotonic() + seconds
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        health.turned()
        stop.wait(min(1.0, left))
