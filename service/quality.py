"""Progressive quality: the scores that were served, before anybody had answered, against the truth."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.evaluation import judged, macro_average_precision, micro_f1
from models.messages import Prediction


class Window(NamedTuple):
    """Quality over one stretch of the stream."""

    arrivals: int  # up to and with this window
    asked: int  # likewise
    model: int  # newest version that served in it
    outputs: int  # with enough positives in it to be judged by
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
    decided = np.zeros((size, len(outputs)), dtype=np.bool_)
    labels = np.zeros((size, len(outputs)), dtype=np.bool_)
    seen = asked = model = filled = 0
    for prediction in predictions:
        seen, asked, model = seen + 1, asked + prediction.asked, max(model, prediction.model)
        if prediction.product not in truth:
            continue
        said = np.frombuffer(prediction.scores, "<f4")[: len(outputs)]
        scores[filled, : len(said)], scores[filled, len(said) :] = said, 0.0
        decided[filled] = labels[filled] = False
        decided[filled, [column[name] for name in prediction.positive if name in column]] = True
        labels[filled, [column[name] for name in truth[prediction.product] if name in column]] = True
        filled += 1
        if filled == size:
            yield _window(scores, decided, labels, seen, asked, model)
            filled = 0
    if filled > size // 2:
        yield _window(scores[:filled], decided[:filled], labels[:filled], seen, asked, model)


def _window(
    scores: NDArray[np.float32],
    decided: NDArray[np.bool_],
    labels: NDArray[np.bool_],
    seen: int,
    asked: int,
    model: int,
) -> Window:
    quality = macro_average_precision(scores, labels), micro_f1(decided, labels)
    return Window(seen, asked, model, len(judged(labels)), *quality)
