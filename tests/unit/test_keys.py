"""What is compiled against the same rules in plain Python."""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features import featurise, phrases
from models.hashing import mix
from models.messages import Product
from models.text import LETTERS, LOWER, code_points

BASE, SECOND, ALL = 0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 2**64 - 1
WORD, PAIR, GRAM, WHOLE = 1, 2, 3, 4
texts = st.text(alphabet="aAbß éЖж-_ .漢😀\ud800", max_size=30)


def mixed(word: int) -> int:
    return int(mix(np.array([word & ALL], np.uint64))[0])


def hashed(numbers: list[int]) -> int:
    return sum(number * pow(BASE, place, 2**64) for place, number in enumerate(numbers)) & ALL


def words(text: str) -> list[list[int]]:
    numbers = LETTERS[code_points(text)].tolist()
    return [list(some) for letters, some in groupby(numbers, key=bool) if letters]


def found(text: str, *, grams: bool, first: int) -> Iterator[tuple[int, int]]:
    """Hash and part of all features of a text."""
    before = None
    for word in words(text):
        yield hashed(word) + WORD, first
        if before is not None:
            yield mixed(before) + hashed(word) * SECOND + PAIR, first + 1
        before = hashed(word)
        for size in (3, 4, 5) if grams else ():
            for start in range(len(word) - size + 1):
                edges = (start == 0) + 2 * (start + size == len(word))
                yield mixed(hashed(word[start : start + size])) + edges + GRAM, first + size - 1


def features(every: Iterator[tuple[int, int]], weights: list[float], bits: int) -> dict[int, float]:
    parts: dict[int, list[int]] = {}
    for hash_, part in every:
        parts.setdefault(mixed(hash_) >> (64 - bits), []).append(part)
    values = {id_: weights[min(some)] * (1 + np.log(len(some))) for id_, some in sorted(parts.items())}
    length = np.sqrt(sum(value * value for value in values.values()))
    return {id_: value / length for id_, value in values.items()}


@pytest.mark.parametrize("bits", [8, 20])  # ids of eight bits collide
@given(title=texts, brand=texts, description=texts, feed=texts)
def test_the_features_of_a_product_are_those_of_the_rules_in_plain_python(bits, title, brand, description, feed):
    product = Product(id="1", title=title, brand=brand, description=description, feed=feed, attributes={"a": title})
    whole = [f"a={title}", *([f"feed={feed}"] if feed else [])]

    def every() -> Iterator[tuple[int, int]]:
        yield from found(title, grams=True, first=0)
        yield from found(brand, grams=True, first=0)
        yield from found(description, grams=False, first=5)
        for text in whole:
            yield hashed(LOWER[code_points(text)].tolist()) + WHOLE, 7

    expected = features(every(), [1.0, 0.35, 0.3, 0.3, 0.3, 1.0, 0.35, 1.0], bits)
    made = featurise([product], bits=bits)
    assert made.ids.tolist() == list(expected)
    assert made.values == pytest.approx(list(expected.values()), rel=1e-5)


@given(st.lists(texts, max_size=4))
def test_the_features_of_phrases_are_their_words_and_pairs(some):
    made = phrases(some, bits=20)

    for i, text in enumerate(some):
        expected = features(found(text, grams=False, first=0), [1.0, 1.0], 20)
        at = slice(made.offsets[i], made.offsets[i + 1])
        assert dict(zip(made.ids[at].tolist(), made.values[at], strict=True)) == pytest.approx(expected, rel=1e-5)


def test_as_many_features_as_a_text_can_have_find_room():
    assert len(featurise([Product(id="1", title="a" * 400)], bits=30).ids) > 3
    letters = "".join(chr(0x4E00 + number) for number in range(400))  # no two n-grams alike
    assert len(featurise([Product(id="1", title=letters, brand=letters)], bits=40).ids) > 3 * 390
    alone = " ".join(letters)
    assert len(featurise([Product(id="1", title=alone, description=alone)], bits=40).ids) > 2 * 199
