"""The learner as a river estimator, so that river's pipelines, metrics and comparisons can use it."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from river import base

from models.features import featurise
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.messages import Product
from models.snapshot import Snapshot

TEXTS: Final = ("title", "description", "brand", "feed", "currency")


class AskanceClassifier(base.MultiLabelClassifier):  # type: ignore[misc]  # river's estimator base has no types
    """Many independent binary outputs, learnt one answer at a time.

    Text under `title`, `description`, `brand`, `feed` and a number under `price` are read as of a product; every other
    feature as an attribute, floating-point numbers to two digits. A label is an output from its first appearance on,
    and a label missing from `y` is missing, not "no". What was learnt depends on arguments and examples alone.

    Args:
        members: heads per output.
        memory: examples kept for rehearsal; bounds memory and the cost of an example.
        bits: of feature ids.
        seed: of the initial state.

    Examples:
        >>> from models.river_classifier import AskanceClassifier
        >>> model = AskanceClassifier(members=2, bits=12)
        >>> for _ in range(20):
        ...     model.learn_one({"title": "red shoe"}, {"red": True, "shoe": True})
        ...     model.learn_one({"title": "blue hat"}, {"red": False, "shoe": False})
        >>> model.predict_one({"title": "red shoe"})
        {'red': True, 'shoe': True}

    """

    def __init__(self, members: int = 8, memory: int = 20_000, bits: int = 18, seed: int = 0) -> None:
        self.members = members
        self.memory = memory
        self.bits = bits
        self.seed = seed
        self._learner: Learner | None = None
        self._snapshot: Snapshot | None = None

    def learn_one(self, x: Mapping[Any, Any], y: Mapping[Any, bool]) -> None:
        """Learn from one example; labels never seen become outputs."""
        learner = self._with_outputs(tuple(str(label) for label in y))
        answers = {str(label): yes for label, yes in y.items()}
        targets = np.array([answers.get(output, np.nan) for output in learner.outputs], dtype=np.float32)
        number = learner.version + 1
        lesson = Lesson(
            query=str(number), product=as_product(x), targets=targets, chance=np.ones(len(targets), dtype=np.float32)
        )
        learner.update(number, [lesson])
        self._snapshot = None

    def predict_proba_one(self, x: Mapping[Any, Any], **_: Any) -> dict[str, dict[bool, float]]:
        """Every label's probabilities; none before the first example."""
        if self._learner is None:
            return {}
        if self._snapshot is None:
            self._snapshot = self._learner.snapshot()
        (scores,) = self._snapshot.scores(self._snapshot.members(featurise([as_product(x)], bits=self.bits)))
        return {
            output: {False: 1.0 - score, True: score}
            for output, score in zip(self._learner.outputs, scores.tolist(), strict=True)
        }

    def _with_outputs(self, labels: tuple[str, ...]) -> Learner:
        if self._learner is None:
            settings = LearnerSettings(bits=self.bits, members=self.members, memory=self.memory)
            self._learner = Learner(labels, settings, seed=self.seed)
        known = self._learner.outputs
        if fresh := [label for label in labels if label not in known]:
            self._learner.change_outputs(self._learner.version + 1, (*known, *fresh))
        return self._learner


def as_product(x: Mapping[Any, Any]) -> Product:
    """Read a dictionary of features as a product, whatever their order."""
    texts = {name: x[name] for name in TEXTS if isinstance(x.get(name), str)}
    price = x.get("price")
    if isinstance(price, int | float) and not isinstance(price, bool) and 0.0 <= price < 1e15:
        texts["price"] = float(price)
    others = {str(name): _said(value) for name, value in x.items() if name not in texts and value is not None}
    attributes = dict(sorted(others.items()))
    return Product(id="-", **{"title": "", "attributes": attributes, **texts})


def _said(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)
