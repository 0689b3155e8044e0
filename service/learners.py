"""The learners there are under some settings: the one that serves, and those beside it."""

from collections.abc import Callable

import torch

from models.port import Learning
from service.checkpoints import Restored, fingerprint, rebuild, restore
from service.kinds import new_learner
from service.ledger import Ledger
from service.promotion import served
from service.recipes import Recipe, recipe
from service.rivals import Rivals
from service.settings import Misconfigured, Settings


def configured(settings: Settings) -> Recipe:
    """The model that the configuration asks for."""
    return recipe(settings.model, settings.learning.seed)


def device_of(settings: Settings) -> str:
    """Where learners work.

    Raises:
        Misconfigured: there is no such device here.

    """
    torch.set_num_threads(settings.learning.threads)
    device = torch.device(settings.learning.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Misconfigured(f"learning.device = {settings.learning.device!r}: no GPU can be used here; take 'cpu'")
    return str(device)


def learner_maker(settings: Settings, made_by: Recipe) -> Callable[[tuple[str, ...]], Learning]:
    """How a learner is born under these settings."""
    device = device_of(settings)
    return lambda outputs: new_learner(outputs, made_by.settings, seed=made_by.seed, device=device)


def rivals_of(settings: Settings) -> Rivals:
    """Room for the learners beside the one that serves."""
    return Rivals(
        configured=configured(settings), directory=settings.data_dir / "checkpoints", device=device_of(settings)
    )


def restored(settings: Settings, ledger: Ledger) -> Restored:
    """The learner that serves, as the ledger has it."""
    serves = served(ledger, configured(settings))[-1]
    directory = settings.data_dir / "checkpoints"
    return restore(directory, ledger, fingerprint(*serves), make=learner_maker(settings, serves))


def rebuilt(settings: Settings, ledger: Ledger) -> Learning:
    """The learner that serves, as it follows from the ledger alone."""
    return rebuild(ledger, learner_maker(settings, served(ledger, configured(settings))[-1]))


def beside(settings: Settings, ledger: Ledger) -> Rivals:
    """The learners beside the one that serves, as the ledger has them."""
    rivals = rivals_of(settings)
    for _ in rivals.settle(ledger):
        pass
    for _ in rivals.catch_up(ledger):
        pass
    return rivals
