"""What the service does now and then: keep the model on disk, expire queries, show its place."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog

from models.port import Learning
from service.checkpoints import tidy, write
from service.ledger import Ledger
from service.metrics import Metrics

log = structlog.get_logger("keeping")

NOBODY: Final[Mapping[str, Learning]] = MappingProxyType({})


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
    beside: dict[str, int] = field(default_factory=dict)  # the same of models that learn beside it, by fingerprint

    def keep(
        self,
        learner: Learning,
        ledger: Ledger,
        metrics: Metrics,
        beside: Mapping[str, Learning] = NOBODY,
        needed: Collection[str] = (),
    ) -> None:
        """Write a checkpoint unless the newest one holds all there is.

        Args:
            learner: the model that serves.
            ledger: told of what was written.
            metrics: told of the model that serves.
            beside: models that learn beside it, by fingerprint, kept in the same way.
            needed: fingerprints of further models whose checkpoints are not to be removed.

        """
        started = time.perf_counter()
        behind = {name: model for name, model in beside.items() if self.beside.get(name) != model.version}
        if learner.version == self.batch and not behind:
            return
        try:
            checkpoint = None if learner.version == self.batch else write(self.directory, learner)
            others = {name: write(self.directory, model) for name, model in behind.items()}
        except OSError as error:
            metrics.checkpoint_failed()
            log.warning(
                "checkpoint_failed", directory=str(self.directory), error=str(error), todo="make room; retrying"
            )
            return
        written = others if checkpoint is None else {self.settings: checkpoint, **others}
        with ledger.transaction():
            for name, one in written.items():
                ledger.add_checkpoint(one, name, time.time())
        tidy(self.directory, ledger, self.kept, {self.settings, *beside, *needed})
        self.beside = {name: model.version for name, model in beside.items()}
        if checkpoint is None:
            return
        self.batch = learner.version
        seconds = time.perf_counter() - started
        metrics.checkpoint(at=time.time(), seconds=seconds, batch=learner.version)
        log.info("checkpoint", batch=learner.version, file=checkpoint.file, seconds=round(seconds, 3))
