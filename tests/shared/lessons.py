"""Lessons a child could learn: an output is yes of a product whose title says it."""

import numpy as np

from models.features import featurise
from models.lessons import LearnerSettings, Lesson
from models.messages import Product
from models.port import Learning
from service.kinds import new_learner

OUTPUTS = ("red", "shoe", "hat")
SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=4, memory=24, memory_positives=4, batch=16)
WORDS = ("red", "shoe", "hat", "blue", "big", "small", "old", "new")


def product(number: int) -> Product:
    words = [word for place, word in enumerate(WORDS) if (number * 2654435761 >> (7 + place)) & 1]
    return Product(id=str(number), title=" ".join([*words, f"item{number}"]))


def lesson(number: int, query: str | None = None, chance: float = 0.5) -> Lesson:
    item = product(number)
    targets = np.array([word in item.title.split() for word in OUTPUTS], np.float32)
    return Lesson(query=query or f"q{number}", product=item, targets=targets, chance=np.full(3, chance, np.float32))


def withdrawn(query: str) -> Lesson:
    nothing = np.full(3, np.nan, np.float32)
    return Lesson(query=query, product=product(0), targets=nothing, chance=np.ones(3, np.float32))


def taught(batches: int, settings: LearnerSettings = SMALL, seed: int = 1, size: int = 5) -> Learning:
    learner = new_learner(OUTPUTS, settings, seed=seed)
    for number in range(1, batches + 1):
        learner.update(number, [lesson(number * size + i) for i in range(size)])
    return learner


def scores(learner: Learning, numbers=range(1000, 1020)) -> np.ndarray:
    features = featurise([product(number) for number in numbers], bits=learner.snapshot().bits)
    return learner.snapshot().members(features).mean(axis=2)
