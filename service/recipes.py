"""A recipe: all that a learner is made by, besides the ledger; and which of several serves."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import msgspec

from models.lessons import LearnerSettings
from service.model_settings import ModelSettings


class Recipe(NamedTuple):
    """Settings and seed of a model; the same recipe over the same ledger makes the same model."""

    settings: LearnerSettings
    seed: int
    since: int = 0  # batch from which on answers teach it; 0: all do

    def pack(self) -> bytes:
        """As bytes. Only what differs from the defaults is named, as in a file of settings."""
        plain = {"seed": self.seed, "model": self.changes()}
        return msgspec.msgpack.encode(plain | {"since": self.since} if self.since else plain)

    def changes(self) -> dict[str, Any]:
        """The settings that are not the defaults."""
        return difference(self.settings, LearnerSettings())


def recipe(settings: LearnerSettings, seed: int, since: int = 0) -> Recipe:
    """A recipe; equal to any other with the same values."""
    return Recipe(LearnerSettings(**asdict(settings)), seed, since)


def unpack(packed: bytes) -> Recipe:
    """Undo `pack`."""
    plain: Mapping[str, Any] = msgspec.msgpack.decode(packed)
    return recipe(ModelSettings(**plain["model"]), plain["seed"], plain.get("since", 0))


def difference(settings: LearnerSettings, others: LearnerSettings) -> dict[str, Any]:
    """The values of `settings` that are not those of `others`, by name."""
    theirs = asdict(others)
    return {name: value for name, value in asdict(settings).items() if value != theirs[name]}


class Choice(NamedTuple):
    """A fact in the ledger: from a batch on another recipe serves. None goes back to the one before."""

    batch: int
    recipe: Recipe | None
    configured: Recipe  # what the configuration said then
    at: float  # seconds since 1970


def serving(configured: Recipe, choices: Iterable[Choice]) -> tuple[Recipe, ...]:
    """What serves, last, after what served before it, back to what is configured.

    Choices made under another configuration do not count: whoever configures another model has chosen.
    """
    stack = [configured]
    for choice in choices:
        if choice.configured != configured:
            continue
        if choice.recipe is not None:
            stack.append(choice.recipe)
        elif len(stack) > 1:
            stack.pop()
    return tuple(stack)
