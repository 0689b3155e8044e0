"""Progressive quality: the scores that were served, before anybody had answered, against the truth."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from models.evaluation import macro_average_precision, micro_f1
from models.messages import Prediction

MIN_POSITIVES = 5


class Window(NamedTuple):
    """Quality over one stretch of the stream."""

    arrivals: int  # up to and with this window
    asked: int  # likewise
    model: int  # newest version that served in it
    outputs: int  # with at least MIN_POSITIVES positives in it
    macro_ap: float
    micro_f1: float


def progressive(
    predictions: Iterable[Prediction], truth: Mapping[str, frozenset[str]], outputs: tuple[str, ...], size: int
) -> Iterator[Window]:
    """Yield the quality of each `size` arrivals, in the order given; products the truth does not know are passed over.

    Scores of a time when the model had fewer outputs count as 0 for the later ones.
    """
    column = {output: k for k, output in enumerate(outputs)}
    scores = np.zeros((size, len(outputs)), dtype=np.float32)
    labels = np.zeros((size, len(outputs)), dtype=np.bool_)
    seen = asked = model = filled = 0
    for prediction in predictions:
        seen, asked, model = seen + 1, asked + prediction.asked, max(model, prediction.model)
        if prediction.product not in truth:
            continue
        said = np.frombuffer(prediction.scores, "<f4")[: len(outputs)]
        scores[filled, : len(said)], scores[filled, len(said) :] = said, 0.0
        labels[filled] = False
        labels[filled, [column[name] for name in truth[prediction.product] if name in column]] = True
        filled += 1
        if filled == size:
            yield _window(scores, labels, seen, asked, model)
            filled = 0
    if filled > size // 2:
        yield _window(scores[:filled], labels[:filled], seen, asked, model)


def _window(scores: np.ndarray, labels: np.ndarray, seen: int, asked: int, model: int) -> Window:
    common = labels.sum(axis=0) >= MIN_POSITIVES
    average = macro_average_precision(scores[:, common], labels[:, common]) if common.any() else float("nan")
    return Window(seen, asked, model, int(common.sum()), average, micro_f1(scores[:, common], labels[:, common]))
