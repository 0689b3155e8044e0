"""Snapshots built from what was told of them, each on the one before, which goes on serving unchanged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.bodies import Arrays, Ours
from models.changes import DENSE, OF_OUTPUTS, TABLES
from models.counts import Relevance
from models.names import names_for
from models.network import HEADS, TRUNK
from models.platt import Scaling
from models.snapshot import Shelf, Snapshot
from models.table import Floats, Rows, extend, weights_by_rarity

_SINGLES: Final = {  # (K,) each
    **dict.fromkeys((*OF_OUTPUTS, "positives", "negatives", "size"), np.dtype("f4")),
    **dict.fromkeys(("prevalence", "arrivals", "slope", "shift"), np.dtype("f8")),
}
_OTHERS: Final = {"named", "encoded", "prior", *(DENSE + name for name in ("trunk", "trunk_shift", *HEADS))}
_NETWORK: Final = {DENSE + name for name in (*TRUNK, *HEADS)}
_BY_ROW: Final = {"ids": np.int32, "seen": np.float32, **dict.fromkeys(TABLES, np.float32)}
_NONE: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Built:
    """A snapshot, with what the next one is built on. Only the newest can be built on, and once."""

    snapshot: Snapshot
    arrays: Arrays  # all that is not by row
    ids: NDArray[np.int32]  # (rows,) the feature of each
    shelf: Shelf


class Changed(NamedTuple):
    """Rows, ascending, and what they are now."""

    rows: Rows
    values: NDArray[Any]


def built(
    said: Ours, outputs: tuple[str, ...], arrays: Arrays, before: Built | None = None, device: str = "cpu"
) -> Built:
    """The snapshot that was told of: whole, or as changes of the one `before`, whose outputs it has.

    Costs what changed, and a pass over the rows.

    Raises:
        ValueError: what was told does not fit together; `before` can still be built on.
        KeyError: an array is missing.

    """
    old = 0 if before is None else len(before.ids)
    if not old <= said.rows <= 1 << said.bits:
        raise ValueError(f"{said.rows} rows, after {old}")
    kept = {name: value.copy() for name, value in arrays.items() if name not in _BY_ROW and not name.endswith("/rows")}
    fixed = kept if before is None else {**before.arrays, **kept}
    _check(said, len(outputs), fixed)
    changed = {name: _changed(name, arrays, said.rows, before) for name in _BY_ROW}
    features = changed["ids"].values
    if not ((features >= -1) & (features < 1 << said.bits)).all():
        raise ValueError("a feature is out of range")
    if not (changed["seen"].values >= 0.0).all():
        raise ValueError("a feature was seen less than never")
    if before is None:
        _check_widths(changed, fixed, len(outputs))
    elif before.snapshot.bits != said.bits:
        raise ValueError("the bits of features differ")

    names = names_for(outputs, said.bits)
    dense = _dense(kept, before, device)
    seen = extend(np.zeros(0, np.float32) if before is None else before.snapshot.seen, said.rows)
    seen[changed["seen"].rows] = changed["seen"].values
    rarity, absent = weights_by_rarity(seen, said.answered)
    ids, places = _directory(said, changed["ids"], before)
    shelf = Shelf(*(changed[name].values.shape[1] for name in TABLES)) if before is None else before.shelf
    shelf.put(*_together([changed[name] for name in TABLES], shelf, old, said.rows), said.rows)
    linear, yes, embedding = shelf.tables
    snapshot = Snapshot(
        version=said.version, outputs=outputs, places=places, shelves=shelf.places,
        **{name: fixed[name] for name in OF_OUTPUTS},
        linear=linear, yes=yes, embedding=embedding, seen=seen, cost=said.cost,
        relevance=Relevance(fixed["positives"], fixed["negatives"], fixed["size"], said.even),
        answered=said.answered, rarity=rarity, absent=absent, names=names, names_pace=said.names_pace,
        named=fixed["named"], encoded=fixed["encoded"], encoder_scale=said.encoder_scale,
        prior=dense.pop("prior"), dense=dense, sketch=said.sketch,
        mix=said.mix, spread=said.spread, scaling=Scaling(fixed["slope"], fixed["shift"]),
    )  # fmt: skip
    return Built(snapshot, fixed, ids, shelf)


def _check(said: Ours, outputs: int, fixed: Arrays) -> None:
    """Raise ValueError if the arrays that are not by row are not what they should be."""
    if not _SINGLES.keys() | _OTHERS <= fixed.keys() <= _SINGLES.keys() | _OTHERS | _NETWORK:
        raise ValueError("an array is missing, or nobody knows it")
    for name, value in fixed.items():
        if value.dtype != _SINGLES.get(name, np.dtype("f4")) or not value.ndim:
            raise ValueError(f"{name} is not what it should be")
        if name in _SINGLES and value.shape != (outputs,):
            raise ValueError(f"{name} does not fit {outputs} outputs")
    named, prior = fixed["named"], fixed["prior"]
    if named.shape not in {(0,), (outputs,)} or fixed["encoded"].shape[1:] != named.shape:
        raise ValueError("the linear path does not fit the outputs")
    network = {name.removeprefix(DENSE): fixed[name].shape for name in fixed.keys() & _NETWORK}
    within = network["trunk_shift"][-1] + said.sketch
    each = () if len(network["trunk"]) == 2 else (outputs,)
    if prior.shape[::2] != (outputs, said.sketch) or network != {
        "trunk": (*each, *network["trunk"][-2:-1], network["trunk_shift"][-1]),
        "trunk_shift": (*each, network["trunk_shift"][-1]),
        "heads": (outputs, 1 if "factors" in network else prior.shape[1], within),
        "shift": prior.shape[:2],
        **({"factors": (*each, prior.shape[1], within)} if "factors" in network else {}),
    }:
        raise ValueError("the network does not fit the outputs")


def _check_widths(changed: Mapping[str, Changed], fixed: Arrays, outputs: int) -> None:
    trunk, linear = fixed[DENSE + "trunk"].shape, fixed["named"].shape
    embedding = trunk[-2] * (1 if len(trunk) == 2 else outputs)
    widths = [changed[name].values.shape[1:] for name in TABLES]
    if widths != [linear, linear, (embedding,)]:
        raise ValueError(f"tables of widths {widths} do not fit {outputs} outputs")


def _changed(name: str, arrays: Arrays, count: int, before: Built | None) -> Changed:
    """The rows told of: all if whole; else those that changed, among them every new one, in their order."""
    old = 0 if before is None else len(before.ids)
    if before is None:
        rows, values = np.arange(count), arrays[name]
        like = values
    else:
        like = before.ids if name == "ids" else getattr(before.snapshot, name)
        rows = arrays.get(f"{name}/rows", _NONE).astype(np.int64)
        values = arrays[name] if len(rows) else like[:0]
    if values.dtype != _BY_ROW[name] or values.shape != (len(rows), *like.shape[1:]):
        raise ValueError(f"rows of {name} are not what they should be")
    if len(rows) and (rows[0] < 0 or rows[-1] >= count or not (np.diff(rows) > 0).all()):
        raise ValueError(f"rows of {name} are out of order")
    if len(rows) - np.searchsorted(rows, old) != count - old:
        raise ValueError(f"new rows of {name} are missing")
    return Changed(rows, values)


def _dense(kept: Arrays, before: Built | None, device: str) -> dict[str, Tensor]:
    """The network's weights where they are used; those that did not change are shared."""
    tensors = {} if before is None else {**before.snapshot.dense, "prior": before.snapshot.prior}
    for name in kept:
        if name == "prior" or name.startswith(DENSE):
            tensors[name.removeprefix(DENSE)] = torch.tensor(kept[name], device=device)
    return tensors


def _directory(said: Ours, changed: Changed, before: Built | None) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The feature of each row, and the row of each feature."""
    rows, features = changed
    if before is None:
        ids, places = np.full(said.rows, -1, np.int32), np.full(1 << said.bits, -1, np.int32)
    else:
        # As with `Directory`: the one before does not look at rows that came later, so only others need a copy.
        ids, places = extend(before.ids, said.rows), before.snapshot.places
        gone = before.ids[rows[: np.searchsorted(rows, len(before.ids))]]
        if len(gone):
            places = places.copy()
            places[gone[gone >= 0]] = -1
    ids[rows] = features
    places[features[features >= 0]] = rows[features >= 0]
    return ids, places


def _together(changed: Sequence[Changed], shelf: Shelf, old: int, count: int) -> tuple[Rows, list[Floats]]:
    """All rows of which any table changed, with what they are in each table now."""
    marked = np.zeros(count, np.bool_)
    for each in changed:
        marked[each.rows] = True
    rows = np.flatnonzero(marked)
    known = np.searchsorted(rows, old)
    tables = []
    for each, table in zip(changed, shelf.tables, strict=True):
        if len(each.rows) == len(rows):
            tables.append(each.values)
            continue
        now = np.zeros((len(rows), table.shape[1]), np.float32)
        now[:known] = table[shelf.places[rows[:known]]]
        now[np.searchsorted(rows, each.rows)] = each.values
        tables.append(now)
    return rows, tables
