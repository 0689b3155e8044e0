"""Checkpoints: the learner's state on disk, whole or not at all, and the way back from one."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog
from safetensors import SafetensorError
from safetensors.torch import load, save

from models.arms import Arm
from models.lessons import LearnerSettings
from models.port import Learning
from service.batches import Batch
from service.ledger import Checkpoint, Ledger
from service.ledger_file import LedgerUnusable
from service.teaching import apply

log = structlog.get_logger("checkpoints")

FORMAT: Final = 5  # another one whenever the same batches make another learner: older checkpoints are then passed over


class Restored(NamedTuple):
    """A learner brought up to the ledger's newest batch, and from where."""

    learner: Learning
    checkpoint: int | None  # batch of the checkpoint used; None if rebuilt from the first batch
    batches: int  # batches applied after it


def fingerprint(settings: LearnerSettings, seed: int, since: int = 0, arm: Arm = Arm.ALL) -> str:
    """Name the settings a state belongs to, and what it learns from; another model cannot use it."""
    named = [FORMAT, asdict(settings), seed, arm, *([since] if since else [])]
    plain = json.dumps(named, sort_keys=True, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def write(directory: Path, learner: Learning) -> Checkpoint:
    """Write the learner's state; only a file that is wholly on disk ever has its final name.

    Raises:
        OSError: it could not be written; nothing of it remains.

    """
    directory.mkdir(parents=True, exist_ok=True)
    data = save(learner.state())
    digest = hashlib.sha256(data).hexdigest()
    final = directory / f"model-{learner.version:012d}-{digest[:12]}.safetensors"
    partial = final.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(final)
        _sync_directory(directory)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    return Checkpoint(learner.version, final.name, digest)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def tidy(directory: Path, ledger: Ledger, kept: int, names: Collection[str] = ()) -> None:
    """Remove all but the newest `kept` checkpoints, and what an earlier crash left half-written or unknown.

    Of the settings in `names`, fingerprints of models still needed, as many are kept of each.
    """
    with ledger.transaction():
        known = ledger.forget_checkpoints(kept, names)
    for path in (*directory.glob("model-*.safetensors"), *directory.glob("model-*.partial")):
        if path.name not in known:
            path.unlink(missing_ok=True)


def _read(path: Path, digest: str) -> Mapping[str, Any] | None:
    try:
        data = path.read_bytes()
    except OSError as error:
        log.warning("checkpoint_unreadable", file=path.name, error=str(error))
        return None
    if hashlib.sha256(data).hexdigest() != digest:
        log.warning("checkpoint_damaged", file=path.name, error="its digest is not the recorded one")
        return None
    try:
        return load(data)
    except SafetensorError as error:
        log.warning("checkpoint_damaged", file=path.name, error=str(error))
        return None


def restore(
    directory: Path,
    ledger: Ledger,
    settings: str,
    *,
    make: Callable[[tuple[str, ...]], Learning],
    arm: Arm = Arm.ALL,
) -> Restored:
    """Bring a learner up to the ledger's newest batch: newest good checkpoint, then the batches after it.

    Args:
        directory: where the checkpoints are.
        ledger: holds every batch there ever was; batch 0 names the first outputs.
        settings: fingerprint of the model's; a checkpoint of other settings is passed over.
        make: makes a new-born learner with the given outputs.
        arm: what it learns from.

    Raises:
        LedgerUnusable: the ledger has no batch to start from.

    """
    learner, checkpoint = resume(directory, ledger, settings, make=make)
    return Restored(learner, checkpoint, sum(1 for _ in catch_up(learner, ledger, arm)))


def resume(
    directory: Path, ledger: Ledger, settings: str, *, make: Callable[[tuple[str, ...]], Learning]
) -> tuple[Learning, int | None]:
    """Return a learner as the newest good checkpoint has it, and its batch; new-born and None without one.

    Raises:
        LedgerUnusable: the ledger has no batch to start from.

    """
    for checkpoint in ledger.checkpoints(settings):
        state = _read(directory / checkpoint.file, checkpoint.digest)
        if state is not None and checkpoint.batch <= ledger.batches.last():
            learner = make(ledger.batches.outputs(until=checkpoint.batch))
            try:
                learner.restore(dict(state))
            except (ValueError, LookupError, RuntimeError, TypeError) as error:
                log.warning("checkpoint_of_another_program", file=checkpoint.file, error=str(error))
                continue
            return learner, checkpoint.batch
    return _born(ledger, make), None


def rebuild(ledger: Ledger, make: Callable[[tuple[str, ...]], Learning], arm: Arm = Arm.ALL) -> Learning:
    """Learn everything anew from the ledger alone.

    Raises:
        LedgerUnusable: the ledger has no batch to start from.

    """
    learner = _born(ledger, make)
    for _ in catch_up(learner, ledger, arm):
        pass
    return learner


def _born(ledger: Ledger, make: Callable[[tuple[str, ...]], Learning]) -> Learning:
    first: Batch | None = next(ledger.batches.after(-1), None)
    if first is None or first.outputs is None:
        raise LedgerUnusable(f"ledger {ledger.path} holds no batch: nothing has run on it yet")
    return make(first.outputs)


def catch_up(learner: Learning, ledger: Ledger, arm: Arm = Arm.ALL) -> Iterator[int]:
    """Let a learner take the batches it has not had, one at a time; yields the number of each."""
    for batch in ledger.batches.after(learner.version):
        apply(batch, learner, arm)
        yield batch.number
