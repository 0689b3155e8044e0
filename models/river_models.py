"""river's classifiers as models of ours: which there are by name, products as river takes them, what they say."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from river import base

from models.features import Features
from models.table import Floats

Classifier = Any  # a river MultiLabelClassifier; river's estimators have no types here
Maker = Callable[[], Classifier]

_RATE: Final = 3.0  # products have length one, so steps may be long


def logistic() -> Classifier:
    """A logistic regression for each output, by plain stochastic gradients."""
    return _each(_regression())


def chain() -> Classifier:
    """Logistic regressions in a chain: each output sees what was said of those before it."""
    from river import multioutput  # noqa: PLC0415 - see _regression

    return multioutput.ClassifierChain(_regression())


def _each(classifier: Any) -> Classifier:
    from river import multioutput  # noqa: PLC0415 - see _regression

    return multioutput.PerOutputClassifier(classifier)


def _regression() -> Any:
    # These bring scipy's statistics along, a second that the start of another model need not wait for.
    from river import linear_model, optim  # noqa: PLC0415

    return linear_model.LogisticRegression(optim.SGD(_RATE), intercept_lr=_RATE)


NAMED: Final[Mapping[str, Maker]] = {"logistic": logistic, "chain": chain}


def multi_label(made: Any) -> Classifier:
    """What a factory made as a multi-label classifier; a binary classifier becomes one for each output.

    Raises:
        TypeError: it is neither, or it gives no probabilities.

    """
    if isinstance(made, base.Classifier):
        return _each(made)
    if not isinstance(made, base.MultiLabelClassifier):
        raise TypeError(f"{type(made).__name__} is neither a MultiLabelClassifier nor a Classifier of river")
    if type(made).predict_proba_one is base.MultiLabelClassifier.predict_proba_one:
        raise TypeError(f"{type(made).__name__} gives no probabilities")
    return made


def dictionaries(features: Features) -> list[dict[int, float]]:
    """Each product as river takes it: values by feature id."""
    ids, values = features.ids.tolist(), features.values.tolist()
    ends = features.offsets.tolist()
    return [dict(zip(ids[start:end], values[start:end], strict=True)) for start, end in pairwise(ends)]


def said(members: Sequence[Classifier], outputs: Sequence[str], features: Features, otherwise: Floats) -> Floats:
    """Every member's probability of yes (n, K, M); `otherwise` (K,) where it knows nothing of an output yet."""
    probabilities = np.full((len(features), len(outputs), len(members)), np.nan, np.float32)
    for i, product in enumerate(dictionaries(features)):
        for m, member in enumerate(members):
            each = member.predict_proba_one(product)
            probabilities[i, :, m] = [_yes(each.get(output)) for output in outputs]
    unknown = np.isnan(probabilities)
    return np.where(unknown, otherwise[None, :, None], np.clip(probabilities, 0.0, 1.0)).astype(np.float32)


def _yes(said_of_one: Mapping[bool, float] | None) -> float:
    if not said_of_one:
        return float("nan")
    return said_of_one.get(True, 1.0 - said_of_one.get(False, 0.0))
