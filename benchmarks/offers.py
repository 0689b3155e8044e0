"""Products of a wished size and outputs of a wished number, both made of the generated catalogue."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.coding import encode
from models.messages import Product
from models.records import Record
from service.catalogue import generate

NEXT = 7  # products further on, that lends its words


def offers(n: int, *, size: int, seed: int = 0) -> list[Product]:
    """Products that take about `size` bytes or a little more: their descriptions go on with those of others."""
    plain = [entry.product for entry in generate(n, seed=seed, drift_at=1.0)]
    filled = []
    for number, product in enumerate(plain):
        said, length, other = [product.description or ""], len(encode(product)), number
        while length < size:
            other = (other + NEXT) % n
            said.append(plain[other].description or plain[other].title)
            length += len(said[-1].encode()) + 1
        filled.append(msgspec.structs.replace(product, description=" ".join(filter(None, said)) or None))
    return filled


def sayings(products: Sequence[Product], count: int) -> tuple[str, ...]:
    """The `count` commonest words and pairs of words of titles, as outputs: does the title say it?"""
    found = Counter(saying for product in products for saying in sorted(said(product)))
    return tuple(f"says:{saying}" for saying, _ in found.most_common(count))


def said(product: Product) -> set[str]:
    words = product.title.lower().split()
    return {*words, *(f"{first} {second}" for first, second in pairwise(words))}


def truth(products: Sequence[Product], outputs: Sequence[str]) -> NDArray[np.bool_]:
    """Which outputs each product's title says: (n, K)."""
    places = {output.removeprefix("says:"): k for k, output in enumerate(outputs)}
    answers = np.zeros((len(products), len(outputs)), np.bool_)
    for i, product in enumerate(products):
        answers[i, [places[saying] for saying in said(product) if saying in places]] = True
    return answers


def records(products: Sequence[Product], partitions: int = 6) -> list[Record]:
    """The products as they lie on the log."""
    return [
        Record("products", number % partitions, number // partitions, product.id.encode(), encode(product), 1.7e9)
        for number, product in enumerate(products)
    ]
