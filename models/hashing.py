"""Hashes that are the same on every platform, process and run, and the random numbers made from them."""

from hashlib import blake2b
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.compiled import shared

Words = NDArray[np.uint64]
Hash = TypeVar("Hash", np.uint64, Words)

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
# Cumulative Poisson(1) up to 12: beyond it lies less than 2**-32 of the mass.
_POISSON: Final = np.cumsum(np.exp(-1.0) / np.cumprod(np.concatenate(([1.0], np.arange(1.0, 13.0)))))
# The count by the first 16 bits of a draw; NaN where the bits after them decide.
_FIRSTS: Final = np.searchsorted(_POISSON, np.arange(2**16) * 2.0**-16, side="right").astype(np.float32)
_FIRSTS[(_POISSON * 2.0**16).astype(np.int64)] = np.nan


@shared
def mix(words: Hash) -> Hash:
    """Scramble 64-bit words one to one (the splitmix64 finaliser, Steele, Lea and Flood 2014)."""
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))


def name_hash(*parts: str | int) -> int:
    """64 bits from names and numbers; ("ab", "c") and ("a", "bc") differ."""
    digest = blake2b(digest_size=8)
    for part in parts:
        text = str(part).encode()
        digest.update(len(text).to_bytes(4, "big") + text)
    return int.from_bytes(digest.digest(), "big")


def uniforms(size: int, *key: str | int) -> NDArray[np.float64]:
    """`size` numbers in [0, 1) that depend on the key alone."""
    base = np.uint64(name_hash(*key))
    counters = np.arange(1, size + 1, dtype=np.uint64) * GOLDEN + base
    return (mix(counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def integers(size: int, below: int, *key: str | int) -> NDArray[np.int64]:
    """`size` whole numbers in [0, below) that depend on the key alone."""
    return np.minimum((uniforms(size, *key) * below).astype(np.int64), below - 1)


def normals(size: int, *key: str | int) -> NDArray[np.float32]:
    """`size` standard normal numbers that depend on the key alone."""
    first = 1.0 - uniforms(size, *key, "radius")
    angle = uniforms(size, *key, "angle")
    return (np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * angle)).astype(np.float32)


def poisson_counts(queries: Words, outputs: Words, members: int) -> NDArray[np.float32]:
    """Poisson(1) counts (queries, outputs, members): how often each member sees each answer.

    A function of the three names alone, so an answer delivered or replayed again is counted alike.
    """
    pairs = mix(queries[:, None] + mix(outputs)[None, :])
    numbers = np.arange(1, members + 1, dtype=np.uint64) * GOLDEN
    drawn = mix(pairs[:, :, None] + numbers)
    counts: NDArray[np.float32] = _FIRSTS.take(drawn >> np.uint64(48))
    close = np.isnan(counts)
    exact = (drawn[close] >> np.uint64(11)).astype(np.float64) * 2.0**-53
    counts[close] = np.searchsorted(_POISSON, exact, side="right")
    return counts
