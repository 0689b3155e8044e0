"""Products to hashed features: words, word pairs, character n-grams, feed, attributes, price."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.keys import LONG, PARTS, PRICES, SHORT, WHOLE, Keys, key, merge, read, room
from models.messages import Product
from models.text import LETTERS, LOWER, code_points

Bytes = NDArray[np.int8]

# At most this much of a product is looked at, so that its cost is bounded.
TITLE, BRAND, DESCRIPTION, NAME, ATTRIBUTES = 400, 100, 4_000, 200, 64
_PRICE: Final = np.uint64(5)  # a salt beside those of texts
_WEIGHTS: Final = np.array([1.0, 0.35, 0.3, 0.3, 0.3, 1.0, 0.35, 1.0, 0.5, 0.5], np.float32)  # by part
# How much more a feature counts that is found 0, 1, 2 ... times: a product has no more keys than this.
_MORE: Final = 1.0 + np.log(np.maximum(np.arange(8192), 1))


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
    def kept(self) -> dict[object, Any]:
        """What else was worked out of them, by whoever did it."""
        return {}

    def take(self, rows: NDArray[np.int64] | Sequence[int]) -> "Features":
        """The features of some of the products, in the order given."""
        rows = np.asarray(rows, dtype=np.int64)
        lengths = (self.offsets[1:] - self.offsets[:-1])[rows]
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        ids, values = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.float32)
        _take(self.ids, self.values, self.offsets[:-1][rows], offsets, ids, values)
        return Features(ids, values, offsets, self.embeddings[rows])

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


@compiled("i8[]", "f4[]", "i8[]", "i8[]", "i8[]=", "f4[]=")
def _take(
    ids: NDArray[np.int64], values: NDArray[np.float32], firsts: NDArray[np.int64], offsets: NDArray[np.int64],
    to_ids: NDArray[np.int64], to_values: NDArray[np.float32],
) -> None:  # fmt: skip
    for product in range(len(firsts)):
        for at in range(offsets[product], offsets[product + 1]):
            place = firsts[product] + at - offsets[product]
            to_ids[at], to_values[at] = ids[place], values[place]


def featurise(products: Sequence[Product], *, bits: int) -> Features:
    """Hash products to features with ids in [0, 2**bits); the same everywhere and for ever.

    Upper and lower case are the same. What lies beyond the first few thousand characters is not looked at.
    """
    # No tuples: many of them make Python look for garbage.
    brands = [number for number, product in enumerate(products) if product.brand]
    long = [number for number, product in enumerate(products) if product.description]
    feeds = [number for number, product in enumerate(products) if product.feed]
    named = [number for number, product in enumerate(products) for _ in range(min(ATTRIBUTES, len(product.attributes)))]
    texts = [product.title[:TITLE] for product in products]
    texts += [(products[number].brand or "")[:BRAND] for number in brands]
    texts += [(products[number].description or "")[:DESCRIPTION] for number in long]
    texts += ["feed=" + (products[number].feed or "")[:NAME] for number in feeds]
    for product in products:
        names = sorted(product.attributes)[:ATTRIBUTES]
        texts += [f"{name[:NAME]}={product.attributes[name][:NAME]}" for name in names]
    owners = np.array([*range(len(products)), *brands, *long, *feeds, *named], np.int64)
    kinds = np.repeat((SHORT, LONG, WHOLE), (len(products) + len(brands), len(long), len(feeds) + len(named)))
    keys = np.concatenate((_keys(texts, owners, kinds, bits), _price_keys(products, bits)))
    return _merge(keys, len(products), bits, _WEIGHTS)


def phrases(texts: Sequence[str], *, bits: int) -> Features:
    """Hash the words and pairs of words of plain texts, all of one weight, to features with ids in [0, 2**bits)."""
    keys = _keys(texts, np.arange(len(texts)), np.full(len(texts), LONG), bits)
    return _merge(keys, len(texts), bits, np.ones(PARTS, np.float32))


def _keys(texts: Sequence[str], owners: NDArray[np.int64], kinds: NDArray[np.int64], bits: int) -> Keys:
    """The keys of the features of texts, in no order."""
    codes = code_points("".join(texts))
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    keys = np.empty(room(len(codes), len(texts)), np.int64)
    return keys[: read(codes, LETTERS, LOWER, ends, owners, kinds, bits, keys)]


def _price_keys(products: Sequence[Product], bits: int) -> Keys:
    owners = [number for number, product in enumerate(products) if product.price]
    mantissas, exponents = np.frexp([products[number].price or 1.0 for number in owners])
    # Four buckets to a doubling, exact on every platform; two overlapping widths.
    fine = exponents.astype(np.int64) * 4 + np.floor((mantissas - 0.5) * 8).astype(np.int64)
    keys = [
        key(np.asarray(owners, np.int64), buckets.astype(np.uint64) * np.uint64(4) + width + _PRICE, part, bits)
        for width, buckets, part in zip((np.uint64(1), np.uint64(2)), (fine, fine // 4), PRICES, strict=True)
    ]
    return np.concatenate(keys)


def _merge(keys: Keys, n: int, bits: int, weights: NDArray[np.float32]) -> Features:
    keys.sort()
    ids, values = np.empty(len(keys), np.int64), np.empty(len(keys), np.float32)
    offsets = np.zeros(n + 1, np.int64)
    count = merge(keys, weights, _MORE, bits, ids, values, offsets)
    return Features(ids[:count], values[:count], offsets, np.zeros((n, 0), np.int8))
