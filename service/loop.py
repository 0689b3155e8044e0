"""The main path: turn after turn until told to stop, whatever the log does. What a turn is, the role says.

The roles are in `service/roles.py`, made of the two halves, `service/scoring.py` and `service/learning.py`.
"""

import random
import time
from collections.abc import Callable
from contextlib import closing
from threading import Event
from typing import Final, Protocol, TypeVar

import structlog

from models.faults import LogUnavailable
from producers.port import DeliveryFailed
from service.http import Health
from service.metrics import Metrics

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
        """One bounded piece of work; what it publishes may be under way when it returns."""

    def pause(self) -> None:
        """Once before the log is closed, however that comes: what is under way ends, or fails."""

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
                try:
                    while not stop.is_set():
                        role.turn(log_now)
                        role.health.turned()
                finally:
                    role.pause()
        except (LogUnavailable, DeliveryFailed) as error:
            kind = "unavailable" if isinstance(error, LogUnavailable) else "delivery_failed"
            log.warning("log_failed", kind=kind, error=str(error), again_in_seconds=round(pause, 1))
            role.metrics.log_failed(kind)
            role.health.waiting("log", str(error))
            _rest(pause * random.uniform(0.5, 1.5), role.health, stop)  # noqa: S311 - jitter
            pause = min(2 * pause, LONGEST_PAUSE)
    role.health.drain()
    role.end()


def _rest(seconds: float, health: Health, stop: Event) -> None:
    """Wait for `seconds` or `stop`, alive."""
    until = time.monotonic() + seconds
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        health.turned()
        stop.wait(min(1.0, left))
