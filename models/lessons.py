"""What the learner takes in and gives back, and all that can be set about learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.hashing import Words, poisson_counts
from models.messages import Product
from models.replay import Memory
from models.table import Floats

_FEWEST_ROWS: Final = 16_384  # below this many rows the linear path would forget faster than it learns


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """Everything about learning that can be set. A state goes on only under the settings it was made with."""

    kind: Literal["askance", "river"] = "askance"
    bits: int = 20  # of feature ids
    encoder: str = ""  # a folder or a name, then # and what it holds
    encoder_scale: float = 1.0  # length of a product's embedding beside its hashed features, whose length is one
    encoder_names: float = 10.0  # logits per unit of likeness between a product and an output's name, at first
    members: int = 8  # heads per output
    heads: Literal["own", "shared"] = "own"  # of an output's members; shared ones differ by factors
    bootstrap: bool = True  # members see each answer Poisson(1) times, else once
    joint: bool = True  # one network for all outputs, else one for each
    width: int = 64  # of an embedding
    sketch: int = 32  # of the fixed random projection
    hidden: int = 128
    prior: float = 0.5  # standard deviation of the members' random priors, in logits
    table_megabytes: int = 512  # bounds the rows of the tables
    memory: int = 20_000  # answered products kept for replay
    memory_positives: int = 300  # of each output besides
    memory_megabytes: int = 512  # bounds both where outputs are many
    mix: float = 0.15  # the network's share in the mean logit, the rest is the linear path's
    spread: float = 0.3  # of the members around it
    rarity: bool = True  # rare features weigh more
    even: float = 0.5  # part of a feature's weight in the linear path that is the same for all outputs
    cost: float = 30.0  # inverse regularisation of the linear path
    names: float = 5.0  # logit that a product saying all of an output's name begins with
    names_pace: float = 4.0  # how readily answers move that, as squared length of the likeness
    rehearsals: int = 12  # remembered answers that the linear path learns again per new answer
    steps_per_lesson: float = 1.0  # of the network
    batch: int = 128  # answers per step
    balanced: float = 0.3  # share of a step's answers drawn from outputs' positives in turn
    prior_bias: bool = True  # logits start from the output's prevalence, else from nothing
    logit_adjustment: float = 0.0  # how many times the logit of the prevalence is added while learning alone
    weights: Literal["none", "clipped", "full"] = "none"  # importance in training
    clip: float = 3.0  # largest importance where clipped, relative to the mean
    rate_trunk: float = 1e-3
    rate_heads: float = 2e-3
    rate_rows: float = 0.2
    decay: float = 0.01  # of dense weights
    average: float = 0.98  # of the served dense weights, per step
    calibration: Literal["platt", "none"] = "platt"
    window: int = 2_000  # newest answered products that it is fitted on
    refit: int = 64  # answered products between two fits, fewer at first
    target: Literal["f1", "half", "precision"] = "f1"  # of the thresholds
    target_precision: float = 0.9  # promised at least, where precision is the target
    river_classifier: str = "logistic"  # by name, or `module:factory`
    river_bits: int = 14  # of feature ids, which bound its size
    river_members: int = 4  # copies of it
    river_rehearsals: int = 1  # remembered answers that they learn again per new answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is known by now about one query; the newest for a query replaces the one before.

    Args:
        query: the query's id.
        product: as it was asked about.
        targets: (K,) share of yes among the answers, in [0, 1]; NaN where missing; all NaN forgets the query.
        chance: (K,) the recorded chance p of each output; an answer weighs 1/p.

    """

    query: str
    product: Product
    targets: NDArray[np.float32]
    chance: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What one batch of lessons did."""

    version: int
    lessons: int
    forgotten: int
    steps: int  # of the network
    rehearsed: int  # answers the linear path learnt, new ones and again
    loss: float  # mean log loss of the new answers before they were learnt from; NaN if there were none
    remembered: int  # answered products in memory
    rows: int  # features that have a row


def check(lesson: Lesson, outputs: int) -> None:
    """Raise ValueError if a lesson does not fit the model."""
    if lesson.targets.shape != (outputs,) or lesson.chance.shape != (outputs,):
        raise ValueError(f"query {lesson.query}: {outputs} targets and chances are expected")
    answered = ~np.isnan(lesson.targets)
    targets, chance = lesson.targets[answered], lesson.chance[answered]
    if not bool(np.all((targets >= 0.0) & (targets <= 1.0))):
        raise ValueError(f"query {lesson.query}: a target outside [0, 1]")
    if not bool(np.all((chance > 0.0) & (chance <= 1.0))):
        raise ValueError(f"query {lesson.query}: a chance outside (0, 1]")


def follow(number: int, version: int) -> None:
    """Raise ValueError if a batch is not the next one after a version."""
    if number != version + 1:
        raise ValueError(f"batch {number} does not follow version {version}")


def distinct(outputs: Sequence[str]) -> None:
    """Raise ValueError if an output is named twice."""
    if len(set(outputs)) != len(outputs):
        raise ValueError("an output is named twice")


def sort_out(lessons: Sequence[Lesson]) -> tuple[list[Lesson], list[str]]:
    """The newest lesson of each query, and the queries to forget as theirs says nothing."""
    newest = {lesson.query: lesson for lesson in lessons}
    known = [lesson for lesson in newest.values() if not np.isnan(lesson.targets).all()]
    return known, [query for query, lesson in newest.items() if np.isnan(lesson.targets).all()]


def importance(settings: LearnerSettings, slots: list[int], memory: Memory) -> Floats:
    """How much remembered answers count in training (n, K), by setting; one on average."""
    weights = memory.weights[slots]
    if settings.weights == "none":
        return np.ones_like(weights)
    among = memory.everything.slots
    relative = weights / np.float32(memory.weights[among].mean() if among else 1.0)
    return np.minimum(relative, np.float32(settings.clip)) if settings.weights == "clipped" else relative


def bootstrap(settings: LearnerSettings, queries: Words, outputs: Words) -> Floats:
    """How often each member sees each answer (n, K, M), from the hashes of their names."""
    if settings.bootstrap:
        return poisson_counts(queries, outputs, settings.members)
    return np.ones((len(queries), len(outputs), settings.members), np.float32)


def bounds(settings: LearnerSettings, outputs: int, dimensions: int = 0) -> tuple[bool, int, int]:
    """Whether there is a linear path, the rows of the tables and the slots of the memory, by the megabytes allowed."""
    # Each row lies in the masters and about twice on the shelf.
    width = settings.width * (1 if settings.joint else outputs)
    rows = settings.table_megabytes * 2**20 // (12 * (2 * outputs + width) + 64)
    linear = rows >= _FEWEST_ROWS
    if not linear:
        rows = settings.table_megabytes * 2**20 // (12 * width + 64)
    slots = settings.memory_megabytes * 2**20 // (2 * (12 * outputs + 2_048 + dimensions))
    return linear, max(1_024, min(rows, 1 << settings.bits)), max(64, min(settings.memory, slots))
