"""Objects of other libraries as bytes, for a state: equal ones give equal bytes, and only known classes come back."""

import io
import pickle
from collections.abc import Collection
from typing import Any, Final

import numpy as np

_ROOTS: Final = frozenset({"collections", "numpy", "random", "river"})
_BUILTINS: Final = frozenset({"bytearray", "complex", "frozenset", "object", "range", "set", "slice"})
# What numpy's and Python's own objects are made by; other functions are refused.
_MAKERS: Final = frozenset({"numpy._core.multiarray", "numpy._core.numeric", "numpy.random._pickle"})
_SET, _KIND = "set", "dtype"


class _Writer(pickle.Pickler):
    """Says by value what pickle says by identity: equal texts are one, sets are in order, kinds of numbers by name."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self._texts: dict[str, str] = {}

    def persistent_id(self, thing: Any) -> Any:
        if type(thing) is str:
            return self._texts.setdefault(thing, thing)
        if type(thing) is set:
            return [_SET, *sorted(thing, key=repr)]
        if isinstance(thing, np.dtype) and thing.names is None:
            return [_KIND, thing.str]
        return None


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, roots: Collection[str]) -> None:
        super().__init__(file)
        self._roots = _ROOTS.union(roots)

    def persistent_load(self, said: Any) -> Any:
        if isinstance(said, str):
            return said
        return set(said[1:]) if said[0] == _SET else np.dtype(said[1])

    def find_class(self, module: str, name: str) -> Any:
        if module == "builtins" and name in _BUILTINS:
            return super().find_class(module, name)
        if module.partition(".")[0] in self._roots and "." not in name:
            found = super().find_class(module, name)
            home = str(getattr(found, "__module__", ""))
            if module in _MAKERS or (isinstance(found, type) and home.partition(".")[0] in self._roots):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not of a model")


def packed(thing: Any) -> bytes:
    """Pickle an object so that the bytes follow from its value, whichever of its texts are shared.

    Raises:
        pickle.PicklingError, AttributeError, TypeError: it holds what cannot be pickled.

    """
    file = io.BytesIO()
    _Writer(file).dump(thing)
    return file.getvalue()


def unpacked(data: bytes, roots: Collection[str] = ()) -> Any:
    """Read what `packed` wrote. Only classes of river, numpy and the top-level packages `roots` are made.

    That keeps out the commonest ill-meant pickles, not all: read only what comes from where you trust.

    Raises:
        ValueError: it is no such object, or holds something else.

    """
    try:
        return _Reader(io.BytesIO(data), roots).load()
    except (pickle.UnpicklingError, AttributeError, ImportError, EOFError, IndexError, TypeError) as error:
        raise ValueError(f"the objects of the state cannot be read: {error}") from error
