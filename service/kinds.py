"""Which model learns: our own, or a river classifier, by the settings."""

from collections.abc import Sequence
from importlib import import_module

from models.embeddings import UNENCODED, Encoder
from models.learner import Learner
from models.lessons import LearnerSettings
from models.pickled import packed
from models.port import Learning
from models.river_learner import RiverLearner
from models.river_models import NAMED, Classifier, Maker, multi_label
from service.settings import Misconfigured


def new_learner(
    outputs: Sequence[str], settings: LearnerSettings, *, seed: int, device: str = "cpu", encoder: Encoder = UNENCODED
) -> Learning:
    """A learner that knows nothing yet.

    Raises:
        Misconfigured: the river classifier cannot be had.

    """
    if settings.kind == "askance":
        return Learner(outputs, settings, seed=seed, device=device, encoder=encoder)
    make, root = maker_of(settings.river_classifier)
    return RiverLearner(outputs, settings, make=make, seed=seed, roots=(root,))


def roots_of(settings: LearnerSettings) -> tuple[str, ...]:
    """The top-level packages whose classes a snapshot of the model may hold, besides river and numpy.

    Raises:
        Misconfigured: the river classifier cannot be had.

    """
    return (maker_of(settings.river_classifier)[1],) if settings.kind == "river" else ()


def _taught(classifier: Classifier) -> bytes:
    classifier.learn_one({0: 1.0, 1: 0.5}, {"yes": True, "no": False})
    return packed(classifier)


def can_be_had(settings: LearnerSettings) -> None:
    """Raise Misconfigured if the river classifier that is set cannot be had."""
    if settings.kind == "river":
        maker_of(settings.river_classifier)


def maker_of(named: str) -> tuple[Maker, str]:
    """What makes the classifier, and the top-level package it is of; a name, or `module:factory` to import.

    Raises:
        Misconfigured: no such name, module or factory, or what it makes cannot be used.

    """
    said = f"model.river_classifier = {named!r}"
    module, _, factory = named.partition(":")
    if not factory:
        if named not in NAMED:
            raise Misconfigured(f"{said}: one of {', '.join(NAMED)}, or module:factory, is expected")
        return NAMED[named], "river"
    try:
        make = getattr(import_module(module), factory)
        one, other = (_taught(multi_label(make())) for _ in range(2))
    except Exception as error:
        raise Misconfigured(f"{said}: {type(error).__name__}: {error}") from error
    if one != other:
        raise Misconfigured(f"{said}: it makes another one each time; give it a seed")

    def made() -> Classifier:
        return multi_label(make())

    return made, module.partition(".")[0]
