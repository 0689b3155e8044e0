"""Texts to keys of features: numbers of product, feature id and part, so that one sort brings equals together."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, shared
from models.hashing import Hash, mix
from models.text import Codes

Keys = NDArray[np.int64]
Numbers = NDArray[np.int64]

SHORT, LONG, WHOLE = 0, 1, 2  # kinds of texts: words, pairs and n-grams; words and pairs; one feature
# Parts that features come from; of several with one id, the first says how much the feature weighs.
WORDS: Final = (0, 5)  # of the short, of the long texts
PAIRS: Final = (1, 6)
GRAMS: Final = 2  # and one more for each size
UNCUT: Final = 7
PRICES: Final = (8, 9)
PARTS: Final = 10
_PART: Final = 4  # bits that hold a part

_SHORTEST, _LONGEST = 3, 5  # n-grams
_MOST: Final = 4  # keys for each character of a text, at most
_BASE: Final = np.uint64(0xD6E8FEB86659FD93)
_SECOND_OF_PAIR: Final = np.uint64(0xA0761D6478BD642F)
# Salts that keep kinds of features apart.
_WORD, _PAIR, _GRAM, _UNCUT = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_ZERO, _ONE, _TWO = np.uint64(0), np.uint64(1), np.uint64(2)


def room(characters: int, texts: int) -> int:
    """How many keys texts can have, at most."""
    return _MOST * characters + texts


@shared
def key(owner: Any, hashed: Hash, part: int, bits: int) -> Any:
    """The key of a feature by its hash, which is mixed here; or of many, as an array."""
    return ((owner << bits | np.int64(mix(hashed) >> np.uint64(64 - bits))) << _PART) | part


@shared
def _grams(
    codes: Codes, letters: Codes, first: int, end: int, owner: int, bits: int, keys: Keys, count: int
) -> int:  # fmt: skip
    """Write the keys of the n-grams of one word, those at its beginning and at its end apart from others."""
    for start in range(first, end - _SHORTEST + 1):
        hashed, power = _ZERO, _ONE
        for at in range(start, min(end, start + _LONGEST)):
            hashed += np.uint64(letters[codes[at]]) * power
            power *= _BASE
            size = at - start + 1
            if size >= _SHORTEST:
                edges = (_ONE if start == first else _ZERO) + (_TWO if at + 1 == end else _ZERO)
                keys[count] = key(owner, mix(hashed) + edges + _GRAM, GRAMS + size - _SHORTEST, bits)
                count += 1
    return count


@compiled("u4[]", "u4[]", "u4[]", "i8[]", "i8[]", "i8[]", "i8", "i8[]=")
def read(
    codes: Codes, letters: Codes, lower: Codes, ends: Numbers, owners: Numbers, kinds: Numbers, bits: int, keys: Keys
) -> int:
    """Write the keys of texts that follow each other; returns how many.

    A stretch hashes to the sum of its characters' numbers times powers of a base, wherever it stands.

    Args:
        codes: code points of all texts.
        letters: a number for each code point that is part of words, 0 for others.
        lower: a number for each code point.
        ends: of each text.
        owners: the product of each.
        kinds: SHORT, LONG or WHOLE.
        bits: of an id.
        keys: room for them.

    """
    count, at = 0, 0
    for text in range(len(ends)):
        end, owner, kind = ends[text], owners[text], kinds[text]
        if kind == WHOLE:
            hashed, power = _ZERO, _ONE
            while at < end:
                hashed += np.uint64(lower[codes[at]]) * power
                power *= _BASE
                at += 1
            keys[count] = key(owner, hashed + _UNCUT, UNCUT, bits)
            count += 1
            continue
        before, words = _ZERO, 0
        while at < end:
            first, hashed, power = at, _ZERO, _ONE
            while at < end and letters[codes[at]]:
                hashed += np.uint64(letters[codes[at]]) * power
                power *= _BASE
                at += 1
            if at == first:
                at += 1
                continue
            keys[count] = key(owner, hashed + _WORD, WORDS[kind], bits)
            count += 1
            if words:
                pair = mix(before) + hashed * _SECOND_OF_PAIR
                keys[count] = key(owner, pair + _PAIR, PAIRS[kind], bits)
                count += 1
            before, words = hashed, words + 1
            if kind == SHORT:
                count = _grams(codes, letters, first, at, owner, bits, keys, count)
    return count


@compiled("i8[]", "f4[]", "f8[]", "i8", "i8[]=", "f4[]=", "i8[]=")
def merge(
    keys: Keys, weights: NDArray[np.float32], more: NDArray[np.float64], bits: int, ids: Numbers,
    values: NDArray[np.float32], offsets: Numbers,
) -> int:  # fmt: skip
    """Write the features that ascending keys stand for, each product's values of length one; returns how many.

    Args:
        keys: ascending.
        weights: of each part.
        more: how much more a feature counts that is found 0, 1, 2 ... times; the last, as often or oftener.
        bits: of an id.
        ids: room for as many ids as keys.
        values: room for as many values.
        offsets: for n products n + 1, written in full.

    """
    count, at, mask = 0, 0, (1 << bits) - 1
    for product in range(len(offsets) - 1):
        first, squares = count, 0.0
        while at < len(keys) and keys[at] >> (bits + _PART) == product:
            both, part, found = keys[at] >> _PART, keys[at] & ((1 << _PART) - 1), 0
            while at < len(keys) and keys[at] >> _PART == both:
                found += 1
                at += 1
            ids[count] = both & mask
            values[count] = np.float32(weights[part] * more[min(found, len(more) - 1)])
            squares += np.float64(values[count]) * np.float64(values[count])
            count += 1
        length = np.float32(np.sqrt(squares))
        for feature in range(first, count):
            values[feature] /= length
        offsets[product + 1] = count
    return count
