"""What the service says of a stream while it learns from it, kept to throw the coins again."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.chance import Budget, combine, draw
from models.features import featurise
from models.learner import Learner, LearnerSettings, Lesson
from models.policies import POLICIES
from models.view import View
from service.asking_settings import AskingSettings
from service.division import divide

SHARE: Final = 0.1
POLICY: Final = AskingSettings().policy
DELAY: Final = 500  # products
BATCH: Final = 64
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Served:
    """What a model said of a stream while it learnt: (n, K) each, but for the chances' terms."""

    name: str
    floor: float
    scores: Doubles
    positive: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    disagreement: Doubles
    others: Mapping[str, Doubles] = field(default_factory=dict)  # what other policies said of it, by name


def serve(feed: Path, outputs: Path, limit: int, floor: float, others: Sequence[str] = ()) -> Served:
    """Go over a feed as the service would, and keep what it served, and what other policies would have said."""
    data = divide(feed, outputs, seed=0, order="source", limit=limit)
    budget, policy = Budget(share=SHARE, floor=floor), POLICIES[POLICY]
    settings = LearnerSettings()
    learner = Learner(data.outputs, settings, seed=0)
    snapshot = learner.snapshot()
    waiting: deque[tuple[int, Lesson]] = deque()
    kept: list[tuple[Any, ...]] = []
    for start in range(0, len(data.stream), BATCH):
        products = data.stream[start : start + BATCH]
        view = View.of(featurise(products, bits=settings.bits), snapshot)
        disagreement = policy.disagreement(view)
        beside = [POLICIES[name].disagreement(view) for name in others]
        kept.append((view.scores, view.scores >= snapshot.thresholds, disagreement, *beside))
        chance = budget.chances_for(combine(disagreement)).product
        for i, p in enumerate(chance.tolist(), start=start):
            if draw(b"proof", data.name, f"products/0/{i}") < p:
                shape = len(data.outputs)
                lesson = Lesson(
                    query=str(i),
                    product=data.stream[i],
                    targets=data.answers[i].astype(np.float32),
                    chance=np.full(shape, p, np.float32),
                )
                waiting.append((i + DELAY, lesson))
        due = []
        while waiting and waiting[0][0] < start + BATCH:
            due.append(waiting.popleft()[1])
        if due:
            learner.update(learner.version + 1, due)
            snapshot = learner.snapshot()
    scores, positive, disagreement, *beside = (np.concatenate(column) for column in zip(*kept, strict=True))
    return Served(
        data.name,
        floor,
        scores.astype(np.float64),
        positive,
        data.answers,
        disagreement.astype(np.float64),
        {name: said.astype(np.float64) for name, said in zip(others, beside, strict=True)},
    )


def true_positives(served: Served) -> Doubles:
    return (served.truth & served.positive).sum(axis=0).astype(np.float64)


def false_negatives(served: Served) -> Doubles:
    return (served.truth & ~served.positive).sum(axis=0).astype(np.float64)


def f1(served: Served) -> Doubles:
    hits = true_positives(served)
    return 2 * hits / np.maximum(1.0, served.positive.sum(axis=0) + hits + false_negatives(served))
