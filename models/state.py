"""State as named tensors: what every part of the learner can be saved to, compared by and restored from."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Number = TypeVar("Number", bound=np.generic)
State = dict[str, Tensor]


def tensor(values: NDArray[np.generic] | Sequence[int] | Sequence[float]) -> Tensor:
    """A copy as a tensor; unsigned 64-bit words become signed ones of the same bits."""
    array = np.array(values)
    return torch.from_numpy(array.view(np.int64) if array.dtype == np.uint64 else array)


def array(value: Tensor) -> NDArray[np.generic]:
    """A copy as an array."""
    copied: NDArray[np.generic] = value.detach().cpu().numpy().copy()
    return copied


def texts(values: Sequence[str]) -> Tensor:
    """Names as one tensor of bytes."""
    return tensor(np.frombuffer(json.dumps(list(values)).encode(), np.uint8))


def names(value: Tensor) -> list[str]:
    """The names that `texts` made the tensor of."""
    read: list[str] = json.loads(value.cpu().numpy().tobytes())
    return read


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> State:
    """The same tensors under `prefix/name`."""
    return {f"{prefix}/{name}": value for name, value in state.items()}


def part(prefix: str, state: Mapping[str, Tensor]) -> State:
    """The tensors under a prefix, without it."""
    return {name[len(prefix) + 1 :]: value for name, value in state.items() if name.startswith(prefix + "/")}


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        total.update(f"{name}\n{value.dtype}\n{tuple(value.shape)}\n".encode())
        total.update(value.numpy().tobytes())
    return total.hexdigest()


def places(after: Sequence[str], before: Sequence[str]) -> NDArray[np.int64]:
    """Where each name of `after` was in `before`, -1 where it was not: the sources that `moved` takes."""
    stood = {name: place for place, name in enumerate(before)}
    return np.asarray([stood.get(name, -1) for name in after], np.int64)


def moved(values: NDArray[Number], sources: NDArray[np.int64], fill: float, axis: int = 0) -> NDArray[Number]:
    """Rearrange an axis: place i takes what was at `sources[i]`, or `fill` where that is -1."""
    taken = np.take(values, np.maximum(sources, 0), axis=axis) if values.shape[axis] else None
    shape = list(values.shape)
    shape[axis] = len(sources)
    result = np.full(shape, fill, values.dtype)
    if taken is not None:
        index: list[slice | NDArray[np.bool_]] = [slice(None)] * values.ndim
        index[axis] = sources >= 0
        result[tuple(index)] = taken[tuple(index)]
    return result
