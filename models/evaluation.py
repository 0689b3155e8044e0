"""How good scores are against known answers: macro average precision, micro F1."""

import numpy as np
from numpy.typing import NDArray

FEWEST_POSITIVES = 5


def average_precision(scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> float:
    """Mean over positives of the precision at their score; products of equal score count together. NaN without any."""
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked, found = scores[order], np.cumsum(positive[order])
    last = np.append(ranked[1:] != ranked[:-1], True)  # of each run of equal scores
    hits, places = found[last], np.flatnonzero(last) + 1
    return float(np.sum(np.diff(hits, prepend=0) * hits / places) / found[-1])


def judged(positive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The outputs (columns) with enough positives to be judged by."""
    return np.flatnonzero(positive.sum(axis=0) >= FEWEST_POSITIVES)


def macro_average_precision(scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> float:
    """Mean average precision over the outputs with at least five positives; both arguments (n, K)."""
    return float(np.mean([average_precision(scores[:, k], positive[:, k]) for k in judged(positive)] or [np.nan]))


def micro_f1(decided: NDArray[np.bool_], positive: NDArray[np.bool_]) -> float:
    """F1 of all decisions of the outputs with at least five positives, taken together; both arguments (n, K)."""
    columns = judged(positive)
    decided, positive = decided[:, columns], positive[:, columns]
    return float(2 * (decided & positive).sum() / max(1, decided.sum() + positive.sum()))
