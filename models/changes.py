"""What changed from one snapshot to the next, as figures and arrays; `rebuilding` makes the next one of them.

Of the tables only the rows that changed are told, of each table its own. What follows from the rest is not told but
worked out again: weights by rarity, and what outputs are called.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.bodies import Arrays, Ours
from models.snapshot import Snapshot
from models.table import Rows

TABLES: Final = ("linear", "yes", "embedding")
OF_OUTPUTS: Final = ("thresholds", "prevalence", "arrivals", "bias", "intercept")  # (K,) each
DENSE: Final = "dense/"


def told(after: Snapshot, before: Snapshot | None = None) -> tuple[Ours, Arrays]:
    """The figures of a snapshot, and its arrays: all, or only what is not as it was before.

    `before` must be one that `follows` says it can follow. Costs what changed, and a pass over the rows.
    """
    figures = Ours(
        version=after.version, bits=after.bits, rows=len(after.seen), answered=after.answered, cost=after.cost,
        names_pace=after.names_pace, encoder_scale=after.encoder_scale, sketch=after.sketch, mix=after.mix,
        spread=after.spread, even=after.relevance.even,
    )  # fmt: skip
    if before is None:
        tables = {name: getattr(after, name)[after.shelves] for name in TABLES}
        return figures, {**_arrays(after), "ids": _ids(after), "seen": after.seen, **tables}
    known = _arrays(before)
    arrays = {name: value for name, value in _arrays(after).items() if not _same(value, known[name])}
    old, moved = len(before.seen), np.zeros(0, np.int64)
    if after.places is not before.places:  # otherwise rows were only gained
        moved = np.flatnonzero(_differ(_ids(before), _ids(after)[:old]))
    if len(moved) or len(after.seen) > old:
        arrays.update(_rows("ids", moved, _ids(after), old))
    arrays.update(_rows("seen", np.flatnonzero(_differ(before.seen, after.seen[:old])), after.seen, old))
    arrays.update(_table_rows(before, after))
    return figures, arrays


def follows(before: Snapshot, after: Snapshot) -> bool:
    """Whether one can be told as changes of the other: same outputs and shapes, and rows only gained."""
    then, now = _arrays(before), _arrays(after)
    return (
        before.outputs == after.outputs
        and before.bits == after.bits
        and len(before.seen) <= len(after.seen)
        and {name: value.shape for name, value in then.items()} == {name: value.shape for name, value in now.items()}
        and all(getattr(before, name).shape[1] == getattr(after, name).shape[1] for name in TABLES)
    )


def _arrays(snapshot: Snapshot) -> dict[str, NDArray[Any]]:
    """All but what is by row."""
    dense = {DENSE + name: value.cpu().numpy() for name, value in snapshot.dense.items()}
    relevance, scaling = snapshot.relevance, snapshot.scaling
    return {
        **{name: getattr(snapshot, name) for name in OF_OUTPUTS},
        "positives": relevance.positives, "negatives": relevance.negatives, "size": relevance.size,
        "slope": scaling.slope, "shift": scaling.shift,
        "named": snapshot.named, "encoded": snapshot.encoded, "prior": snapshot.prior.cpu().numpy(), **dense,
    }  # fmt: skip


def _ids(snapshot: Snapshot) -> NDArray[np.int32]:
    """The feature of each row."""
    count = len(snapshot.seen)
    ids = np.full(count, -1, np.int32)
    features = np.flatnonzero((snapshot.places >= 0) & (snapshot.places < count))
    ids[snapshot.places[features]] = features
    return ids


def _table_rows(before: Snapshot, after: Snapshot) -> Arrays:
    count = len(before.seen)
    maybe = np.arange(count)
    if all(getattr(before, name) is getattr(after, name) for name in TABLES):  # what did not move did not change
        maybe = np.flatnonzero(before.shelves != after.shelves[:count])
    arrays: dict[str, NDArray[Any]] = {}
    for name in TABLES:
        then, now = getattr(before, name)[before.shelves[maybe]], getattr(after, name)[after.shelves[maybe]]
        changed = maybe[_differ(then, now)]
        rows = np.concatenate((changed, np.arange(count, len(after.seen))))
        if len(rows):
            arrays[name], arrays[f"{name}/rows"] = getattr(after, name)[after.shelves[rows]], rows.astype(np.int32)
    return arrays


def _rows(name: str, changed: Rows, values: NDArray[Any], count: int) -> Arrays:
    """The rows of `values` that changed, and all from `count` on."""
    rows = np.concatenate((changed, np.arange(count, len(values))))
    return {name: values[rows], f"{name}/rows": rows.astype(np.int32)} if len(rows) else {}


def _differ(then: NDArray[Any], now: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows differ in any bit."""
    unlike = then.view(np.int32) != now.view(np.int32)
    return np.asarray(unlike.any(axis=tuple(range(1, then.ndim))), np.bool_)


def _same(then: NDArray[Any], now: NDArray[Any]) -> bool:
    bits, others = (each.reshape(-1).view(np.uint8) for each in (then, now))
    return then.dtype == now.dtype and np.array_equal(bits, others)
