"""A space that words get their places in from products without labels: latent semantic analysis.

Words and pairs of words that stand in the same products lie near each other, and so do the products that say them
(Deerwester, Dumais, Furnas, Landauer and Harshman 1990).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.features import Features, phrases
from models.hashing import normals
from models.table import Floats

MOST: Final = 50_000  # words and pairs of words that get places, the most common ones
PASSES: Final = 6  # over the texts
_FEWEST: Final = 2  # texts that a word must stand in
_BITS: Final = 40  # of the hashes that words are known by
_BEYOND: Final = 10  # directions looked for beside those wanted, for the sake of these
_AT_ONCE: Final = 1_000  # texts, to bound the memory
_FAINT: Final = 1e-6  # of the largest singular value: below it, nothing but rounding


class TooLittle(ValueError):
    """Too few texts, or too few words in several of them, for so many dimensions; the text says how few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Where words lie, in d dimensions."""

    words: NDArray[np.int64]  # (w,) hashes of words and pairs of words, ascending
    rarity: Floats  # (w,) inverse document frequency
    places: Floats  # (w, d)

    def embed(self, texts: Sequence[str]) -> Floats:
        """Where texts lie (n, d): the same for the same text in any batch; nothing but zeros if no word is known."""
        parts = [texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE)]
        rows = [_weighed(phrases(part, bits=_BITS), self.words, self.rarity) @ self.places for part in parts]
        embedded: Floats = np.concatenate([np.zeros((0, self.places.shape[1]), np.float32), *rows])
        return embedded


def fit(texts: Sequence[str], dimensions: int) -> Iterator[Space]:
    """Yield a space after each of `PASSES` passes over the texts, each nearer to the best there is; keep the last.

    The texts times words, weighed by logarithmic counts and rarity, are close to a product of `dimensions` columns:
    those of a truncated singular value decomposition, found by subspace iteration (Halko, Martinsson and Tropp 2011,
    algorithm 4.4) from a fixed start. A direction of singular value s is scaled by the root of 1/s, between as it
    comes out and all directions alike.

    Raises:
        TooLittle: fewer texts than dimensions, or fewer words that several of them say.

    """
    if len(texts) < dimensions:
        raise TooLittle(f"{len(texts):,} different texts of products for {dimensions} dimensions")
    parts = [phrases(texts[start : start + _AT_ONCE], bits=_BITS) for start in range(0, len(texts), _AT_ONCE)]
    features = Features.concatenate(parts)
    words, rarity = _vocabulary(features)
    if len(words) < dimensions:
        raise TooLittle(f"{len(words):,} words that {_FEWEST} products say for {dimensions} dimensions")
    matrix = _weighed(features, words, rarity).astype(np.float64)
    width = dimensions + _BEYOND
    basis = normals(len(words) * width, "latent").reshape(len(words), width).astype(np.float64)
    for _ in range(PASSES):
        across, _ = np.linalg.qr(matrix @ basis)
        basis, upper = np.linalg.qr(matrix.T @ across)
        turn, sizes, _ = np.linalg.svd(upper)
        sizes = sizes[:dimensions]
        scale = np.where(sizes > _FAINT * sizes[0], 1.0 / np.sqrt(np.maximum(sizes, _FAINT * sizes[0])), 0.0)
        yield Space(words=words, rarity=rarity, places=(basis @ (turn[:, :dimensions] * scale)).astype(np.float32))


def _vocabulary(features: Features) -> tuple[NDArray[np.int64], Floats]:
    """The words that several texts say, the most common if there are too many, and how rare each is."""
    words, counts = np.unique(features.ids, return_counts=True)
    chosen = np.lexsort((words, -counts))[:MOST]
    chosen = np.sort(chosen[counts[chosen] >= _FEWEST])
    rarity = 1.0 + np.log((1.0 + len(features)) / (1.0 + counts[chosen]))
    return words[chosen], rarity.astype(np.float32)


def _weighed(features: Features, words: NDArray[np.int64], rarity: Floats) -> csr_array:
    """Texts times words (n, w), each row of length one, or of zeros."""
    places = np.minimum(np.searchsorted(words, features.ids), len(words) - 1)
    known = words[places] == features.ids
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(known)))[features.offsets]
    values = features.values[known] * rarity[places[known]]
    owners = np.repeat(np.arange(len(features)), np.diff(offsets))
    values /= np.sqrt(np.bincount(owners, values.astype(np.float64) ** 2, len(features)))[owners].astype(np.float32)
    return csr_array((values, places[known], offsets), shape=(len(features), len(words)))
