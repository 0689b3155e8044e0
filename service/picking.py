"""Choosing by chance from tables, with the generator as an argument; repeatable on every machine."""

from functools import cache
from random import Random
from typing import TypeVar

T = TypeVar("T")


@cache
def weights(text: str) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Read a table row `name:number name:number` as names and numbers."""
    pairs = [item.rsplit(":", 1) for item in text.split()]
    return tuple(name for name, _ in pairs), tuple(float(weight) for _, weight in pairs)


def weighed(draw: Random, text: str) -> str:
    """Choose a name of such a row by its weight."""
    return pick(draw, *weights(text))


def pick(draw: Random, options: tuple[T, ...], weights: tuple[float, ...]) -> T:
    """Choose an option by its weight."""
    return draw.choices(options, weights)[0]


def one(draw: Random, options: list[T] | tuple[T, ...]) -> T:
    """Choose any option alike."""
    return options[int(draw.random() * len(options))]
