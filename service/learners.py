"""The learners there are under some settings: the one that serves, and those beside it."""

from dataclasses import replace

import torch

from models.port import Learning
from service.checkpoints import Restored, fingerprint, rebuild, restore
from service.encoders import Encoders
from service.kinds import can_be_had
from service.ledger import Ledger
from service.promotion import served
from service.recipes import Recipe, recipe
from service.rivals import Rivals
from service.settings import Misconfigured, Settings


def encoders_of(settings: Settings) -> Encoders:
    """The pretrained encoders, none of them loaded yet."""
    return Encoders(settings.learning.encoder_device, settings.learning.encoder_cache)


def configured(settings: Settings, encoders: Encoders) -> Recipe:
    """The model that the configuration asks for, its encoder named with what it holds.

    Raises:
        Misconfigured: the encoder or the classifier cannot be had.

    """
    can_be_had(settings.model)
    encoder = encoders.pinned(settings.model.encoder)
    return recipe(replace(settings.model, encoder=encoder), settings.learning.seed)


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


def rivals_of(settings: Settings, encoders: Encoders) -> Rivals:
    """Room for the learners beside the one that serves."""
    return Rivals(
        configured=configured(settings, encoders),
        directory=settings.data_dir / "checkpoints",
        device=device_of(settings),
        encoders=encoders,
    )


def restored(settings: Settings, ledger: Ledger, encoders: Encoders) -> Restored:
    """The learner that serves, as the ledger has it."""
    rivals = rivals_of(settings, encoders)
    serves = served(ledger, rivals.configured)[-1]
    return restore(rivals.directory, ledger, fingerprint(*serves), make=rivals.maker(ledger, serves))


def rebuilt(settings: Settings, ledger: Ledger, encoders: Encoders) -> Learning:
    """The learner that serves, as it follows from the ledger alone."""
    rivals = rivals_of(settings, encoders)
    return rebuild(ledger, rivals.maker(ledger, served(ledger, rivals.configured)[-1]))


def beside(settings: Settings, ledger: Ledger, encoders: Encoders) -> Rivals:
    """The learners beside the one that serves, as the ledger has them."""
    rivals = rivals_of(settings, encoders)
    for _ in rivals.settle(ledger):
        pass
    for _ in rivals.catch_up(ledger):
        pass
    return rivals
