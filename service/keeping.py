"""What the service does now and then: keep the model on disk, expire queries, show its place."""

import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from models.port import Learning
from service.checkpoints import tidy, write
from service.ledger import Ledger
from service.metrics import Metrics

log = structlog.get_logger("keeping")


@dataclass(slots=True)
class Every:
    """Something due at most once in `seconds`."""

    seconds: float
    _next: float = 0.0

    def due(self, now: float) -> bool:
        """Say whether it is time, and if so count from now. A clock set back makes it due at once."""
        if self._next - self.seconds <= now < self._next:
            return False
        self._next = now + self.seconds
        return True


@dataclass(slots=True, kw_only=True)
class Keeper:
    """Keeps checkpoints; a failure to write one costs only a longer restart, so it is said and tried again."""

    directory: Path
    settings: str  # fingerprint of the model's settings
    kept: int
    every: Every
    batch: int | None  # newest batch that is kept

    def keep(self, learner: Learning, ledger: Ledger, metrics: Metrics) -> None:
        """Write a checkpoint unless the newest one holds all there is."""
        if learner.version == self.batch:
            return
        started = time.perf_counter()
        try:
            checkpoint = write(self.directory, learner)
        except OSError as error:
            metrics.checkpoint_failed()
            log.warning(
                "checkpoint_failed", directory=str(self.directory), error=str(error), todo="make room; retrying"
            )
            return
        with ledger.transaction():
            ledger.add_checkpoint(checkpoint, self.settings, time.time())
        tidy(self.directory, ledger, self.kept)
        self.batch = learner.version
        seconds = time.perf_counter() - started
        metrics.checkpoint(at=time.time(), seconds=seconds, batch=learner.version)
        log.info("checkpoint", batch=learner.version, file=checkpoint.file, seconds=round(seconds, 3))
