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
AGAIN: Final = 2.0  # seconds of learning that a restart may have to do again
DEAR: Final = 10.0  # seconds of learning for each second that a checkpoint takes: at most a tenth goes into keeping


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


def pays(behind: float, cost: float) -> bool:
    """Whether so many seconds of learning are worth a checkpoint that takes `cost` seconds to write."""
    return behind >= max(AGAIN, DEAR * cost)


@dataclass(slots=True, kw_only=True)
class Keeper:
    """Keeps checkpoints; a failure to write one costs only a longer restart, so it is said and tried again.

    When one is written changes nothing of what is learnt.
    """

    directory: Path
    settings: str  # fingerprint of the model's settings
    kept: int
    every: Every
    batch: int | None  # newest batch that is kept
    beside: dict[str, int] = field(default_factory=dict)  # the same of models that learn beside it, by fingerprint
    behind: float = 0.0  # seconds of learning since the newest, which a restart would have to do again
    cost: float = 0.0  # seconds that the newest took to write, or to fail

    def due(self, now: float) -> bool:
        """Whether one is to be written: after its time, or before if a restart would have to learn for long again."""
        return self.every.due(now) or pays(self.behind, self.cost)

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
        unkept = {name: model for name, model in beside.items() if self.beside.get(name) != model.version}
        self.behind = 0.0
        if learner.version == self.batch and not unkept:
            return
        try:
            checkpoint = None if learner.version == self.batch else write(self.directory, learner)
            others = {name: write(self.directory, model) for name, model in unkept.items()}
        except OSError as error:
            self.cost = time.perf_counter() - started
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
        self.cost = time.perf_counter() - started
        if checkpoint is None:
            return
        self.batch = learner.version
        metrics.checkpoint(at=time.time(), seconds=self.cost, batch=learner.version)
        log.info("checkpoint", batch=learner.version, file=checkpoint.file, seconds=round(self.cost, 3))
