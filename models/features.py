"""Products to hashed features: words, word pairs, character n-grams, feed, attributes, price."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.hashing import GOLDEN, Words, mix
from models.messages import Product
from models.text import Codes, code_points, is_letter

Bytes = NDArray[np.int8]

# At most this much of a product is looked at, so that its cost is bounded.
TITLE, BRAND, DESCRIPTION, NAME, ATTRIBUTES = 400, 100, 4_000, 200, 64
GRAMS: Final = (3, 4, 5)

_BASE: Final = np.uint64(0xD6E8FEB86659FD93)  # odd: it has an inverse modulo 2**64
_UNBASE: Final = np.uint64(pow(0xD6E8FEB86659FD93, -1, 2**64))
_PART: Final = 4  # bits that number the parts features come from
_SECOND_OF_PAIR: Final = np.uint64(0xA0761D6478BD642F)


class _Kind:
    """Salts that keep kinds of features apart, and how much each weighs."""

    WORD: Final = (np.uint64(1), 1.0)
    PAIR: Final = (np.uint64(2), 0.35)
    EVEN_PAIR: Final = (np.uint64(2), 1.0)
    GRAM: Final = (np.uint64(3), 0.3)
    WHOLE: Final = (np.uint64(4), 1.0)
    PRICE: Final = (np.uint64(5), 0.5)


@dataclass(frozen=True)
class Features:
    """The features of n products, one after the other: product i has `ids[offsets[i]:offsets[i + 1]]`.

    Ids of one product are distinct and ascending; its values have length one (none for a product without any). What
    several models need to know of the same products is worked out once and kept as long as they are.
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float32]
    offsets: NDArray[np.int64]
    embeddings: Bytes  # (n, d) of the whole products, by a pretrained encoder; d is 0 without one

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """The product of each feature."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @cached_property
    def hashes(self) -> Words:
        """Of each id, well mixed."""
        return mix(self.ids.astype(np.uint64) + GOLDEN)

    @cached_property
    def kept(self) -> dict[object, Any]:
        """What else was worked out of them, by whoever did it."""
        return {}

    def take(self, rows: NDArray[np.int64] | Sequence[int]) -> "Features":
        """The features of some of the products, in the order given."""
        rows = np.asarray(rows, dtype=np.int64)
        lengths = (self.offsets[1:] - self.offsets[:-1])[rows]
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        places = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Features(self.ids[places], self.values[places], offsets, self.embeddings[rows])

    @staticmethod
    def concatenate(parts: Sequence["Features"]) -> "Features":
        """The products of all parts, one after the other."""
        if not parts:
            return featurise((), bits=1)
        lengths = [part.offsets[1:] - part.offsets[:-1] for part in parts]
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths))))
        return Features(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.values for part in parts]),
            offsets,
            np.concatenate([part.embeddings for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class _Texts:
    """All texts of a batch as one row of code points, with what is needed to hash any stretch of it in O(1)."""

    codes: Codes
    starts: NDArray[np.int64]  # of each text
    ends: NDArray[np.int64]
    owners: NDArray[np.int64]  # product of each text
    sums: Words  # of code * base ** place, before each place
    inverses: Words

    @classmethod
    def of(cls, texts: list[str], owners: list[int]) -> Self:
        codes = code_points("".join(texts))
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
        powers, inverses = _powers(1 << len(codes).bit_length())
        sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum((codes.astype(np.uint64) + np.uint64(1)) * powers[: len(codes)], out=sums[1:])
        return cls(codes, starts, ends, np.asarray(owners, np.int64), sums, inverses)

    def hashes(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Words:
        """Hash the stretches between `starts` and `ends`; the same characters give the same hash anywhere."""
        return (self.sums[ends] - self.sums[starts]) * self.inverses[starts]


@lru_cache(maxsize=4)
def _powers(size: int) -> tuple[Words, Words]:
    with np.errstate(over="ignore"):
        ones = np.ones(1, np.uint64)
        up = np.cumprod(np.concatenate((ones, np.full(size, _BASE))), dtype=np.uint64)
        down = np.cumprod(np.concatenate((ones, np.full(size, _UNBASE))), dtype=np.uint64)
    return up, down


class _Found:
    """Hashes found so far: each one number of product, feature id and part, so that one sort brings equals together."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.weights: list[float] = []  # of the kind, by part
        self.keys: list[NDArray[np.int64]] = []

    def add(self, kind: tuple[np.uint64, float], owners: NDArray[np.int64], hashes: Words) -> None:
        ids = (mix(hashes + kind[0]) >> np.uint64(64 - self.bits)).astype(np.int64)
        self.keys.append(((owners << self.bits | ids) << _PART) | len(self.weights))
        self.weights.append(kind[1])


def featurise(products: Sequence[Product], *, bits: int) -> Features:
    """Hash products to features with ids in [0, 2**bits); the same everywhere and for ever.

    Upper and lower case are the same. What lies beyond the first few thousand characters is not looked at.
    """
    found = _Found(bits)
    _read_texts(products, found)
    _read_names(products, found)
    _read_prices(products, found)
    return _merge(found, len(products))


def phrases(texts: Sequence[str], *, bits: int) -> Features:
    """Hash the words and pairs of words of plain texts, all of one weight, to features with ids in [0, 2**bits)."""
    found = _Found(bits)
    if texts:
        _read_words(_Texts.of(list(texts), list(range(len(texts)))), (), found, pair=_Kind.EVEN_PAIR)
    return _merge(found, len(texts))


def _read_texts(products: Sequence[Product], found: _Found) -> None:
    titles = [product.title[:TITLE] for product in products]
    brands = [(product.brand[:BRAND], number) for number, product in enumerate(products) if product.brand]
    long = [
        (product.description[:DESCRIPTION], number) for number, product in enumerate(products) if product.description
    ]
    if titles:
        short = titles + [brand for brand, _ in brands]
        _read_words(_Texts.of(short, [*range(len(titles)), *(number for _, number in brands)]), GRAMS, found)
    if long:
        _read_words(_Texts.of([text for text, _ in long], [number for _, number in long]), (), found)


def _read_words(
    texts: _Texts, grams: tuple[int, ...], found: _Found, pair: tuple[np.uint64, float] = _Kind.PAIR
) -> None:
    letters = is_letter(texts.codes)
    first = letters.copy()
    first[1:] &= ~letters[:-1]
    last = letters.copy()
    last[:-1] &= ~letters[1:]
    nonempty = texts.ends > texts.starts
    first[texts.starts[nonempty]] |= letters[texts.starts[nonempty]]
    last[texts.ends[nonempty] - 1] |= letters[texts.ends[nonempty] - 1]
    starts, ends = np.flatnonzero(first), np.flatnonzero(last) + 1
    text = np.searchsorted(texts.ends, starts, side="right")
    words = texts.hashes(starts, ends)
    found.add(_Kind.WORD, texts.owners[text], words)
    same = text[1:] == text[:-1]
    found.add(pair, texts.owners[text[1:][same]], (mix(words[:-1]) + words[1:] * _SECOND_OF_PAIR)[same])
    if not grams:
        return
    places = np.flatnonzero(letters)
    word = np.repeat(np.arange(len(starts)), ends - starts)
    left, owners, begins = ends[word] - places, texts.owners[text][word], (places == starts[word]).astype(np.uint64)
    for size in grams:
        fits = np.flatnonzero(left >= size)
        at = places[fits]
        edges = begins[fits] + np.uint64(2) * (left[fits] == size).astype(np.uint64)
        found.add(_Kind.GRAM, owners[fits], mix(texts.hashes(at, at + size)) + edges)


def _read_names(products: Sequence[Product], found: _Found) -> None:
    names: list[str] = []
    owners: list[int] = []
    for number, product in enumerate(products):
        if product.feed:
            names.append("feed=" + product.feed[:NAME])
            owners.append(number)
        for name in sorted(product.attributes)[:ATTRIBUTES]:
            names.append(f"{name[:NAME]}={product.attributes[name][:NAME]}")
            owners.append(number)
    if names:
        texts = _Texts.of(names, owners)
        found.add(_Kind.WHOLE, texts.owners, texts.hashes(texts.starts, texts.ends))


def _read_prices(products: Sequence[Product], found: _Found) -> None:
    owners = [number for number, product in enumerate(products) if product.price]
    if owners:
        mantissas, exponents = np.frexp([products[number].price or 1.0 for number in owners])
        # Four buckets to a doubling, exact on every platform; two overlapping widths.
        fine = exponents.astype(np.int64) * 4 + np.floor((mantissas - 0.5) * 8).astype(np.int64)
        for width, buckets in ((np.uint64(1), fine), (np.uint64(2), fine // 4)):
            found.add(_Kind.PRICE, np.asarray(owners, np.int64), buckets.astype(np.uint64) * np.uint64(4) + width)


def _merge(found: _Found, n: int) -> Features:
    keys = np.concatenate(found.keys) if found.keys else np.zeros(0, np.int64)
    keys.sort()
    both = keys >> _PART
    heads = np.flatnonzero(np.concatenate((np.ones(min(1, len(keys)), np.bool_), both[1:] != both[:-1])))
    counts = np.diff(heads, append=len(keys))
    # Of several kinds with one id, the weight is that of the part found first.
    weights = np.asarray(found.weights, np.float32)[keys[heads] & ((1 << _PART) - 1)]
    values = (weights * _more(int(counts.max(initial=1)))[counts]).astype(np.float32)
    both = both[heads]
    owners = both >> found.bits
    offsets = np.searchsorted(owners, np.arange(n + 1))
    squares = np.bincount(owners, values.astype(np.float64) ** 2, n)
    values /= np.sqrt(squares).astype(np.float32)[owners]
    ids = both & ((1 << found.bits) - 1)
    return Features(ids, values, offsets.astype(np.int64), np.zeros((n, 0), np.int8))


def _more(most: int) -> NDArray[np.float64]:
    """How much more a feature counts that is found 0, 1, 2 ... times."""
    more: NDArray[np.float64] = 1.0 + np.log(np.maximum(np.arange(most + 1), 1))
    return more
