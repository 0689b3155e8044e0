"""Loops over products, compiled to machine code when a process first imports them and kept for the next process."""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from numba import njit, types
from numba.extending import register_jitable

F = TypeVar("F", bound=Callable[..., Any])

_KINDS: Final = {
    "b1": types.boolean, "u1": types.uint8, "u4": types.uint32, "i4": types.int32, "i8": types.int64,
    "f4": types.float32, "f8": types.float64,
}  # fmt: skip


def compiled(*arguments: str) -> Callable[[F], F]:
    """Compile a function of arrays and numbers, for these types of arguments alone.

    Floating point keeps its order and its roundings, so results are those of the same steps in numpy. Other threads
    run meanwhile. Machine code is kept beside the module, in the user's cache, or in NUMBA_CACHE_DIR; where none of
    them can be written to, every process compiles anew.

    Args:
        arguments: `f4` a number, `f4[]` an array in C order, `f4[,]` one of two dimensions; `=` after an array that is
            written to.

    """
    signature = tuple(_type(argument) for argument in arguments)

    def compile_it(function: F) -> F:
        try:
            made: Any = njit(signature, cache=True, nogil=True, error_model="numpy")(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            made = njit(signature, nogil=True, error_model="numpy")(function)
        return cast(F, made)

    return compile_it


def shared(function: F) -> F:
    """Leave a function as it is, for numpy's arrays, and let compiled ones call it with numbers too."""
    made: F = register_jitable(function)
    return made


def _type(argument: str) -> Any:
    kind, bracket, rest = argument.partition("[")
    if not bracket:
        return _KINDS[kind]
    return types.Array(_KINDS[kind], 1 + rest.count(","), "C", readonly=not rest.endswith("="))
