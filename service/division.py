"""A labelled feed divided into a stream to learn from and products to score by: what all systems are compared on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.messages import Product
from service.feeds import BadFeed, read_outputs, read_products

POINTS: Final = (100, 200, 400, 800, 1_600, 3_200, 6_400)  # labels at which quality is measured
BATCH: Final = 64
SCORED: Final = 5_000  # held-out products at most
Order = Literal["shuffled", "source"]


@dataclass(frozen=True, slots=True)
class Data:
    """A labelled feed, divided: the stream in its order, and the products to score by."""

    name: str
    outputs: tuple[str, ...]
    stream: tuple[Product, ...]
    answers: NDArray[np.bool_]
    held: tuple[Product, ...]
    truth: NDArray[np.bool_]


def divide(
    feed: Path, outputs: Path, *, seed: int, order: Order = "shuffled", holdout: float = 0.2, limit: int | None = None
) -> Data:
    """Read and divide a feed.

    Args:
        feed: products with their `labels`.
        outputs: the outputs file.
        seed: of the order.
        order: `shuffled` by a hash of seed and id, or as in the `source`.
        holdout: share of products kept apart by a hash of the id, to score by.
        limit: most products of the stream; None for all.

    Raises:
        BadFeed: a file that cannot be used, a product without `labels`, or nothing left to learn from or to score by.

    """
    names = read_outputs(outputs)
    stream: list[tuple[bytes, Product, frozenset[str]]] = []
    held: list[tuple[int, Product, frozenset[str]]] = []
    for number, (product, labels) in enumerate(read_products(feed), start=1):
        if labels is None:
            raise BadFeed(feed, number, "no `labels`; a simulation needs the answers of every product")
        place = int.from_bytes(_hash(product.id), "big")
        if place / 2**64 < holdout:
            held.append((place, product, labels))
        else:
            stream.append((_hash(f"{seed}:{product.id}"), product, labels))
    if order == "shuffled":
        stream.sort(key=lambda entry: entry[0])
    stream = stream[:limit]
    held = sorted(held, key=lambda entry: entry[0])[:SCORED]
    if not stream or not held:
        raise BadFeed(feed, 0, f"{len(stream)} products to learn from and {len(held)} held out; both are needed")
    return Data(
        name=feed.name.split(".")[0],
        outputs=names,
        stream=tuple(product for _, product, _ in stream),
        answers=_matrix([labels for _, _, labels in stream], names),
        held=tuple(product for _, product, _ in held),
        truth=_matrix([labels for _, _, labels in held], names),
    )


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _matrix(labels: Sequence[frozenset[str]], outputs: Sequence[str]) -> NDArray[np.bool_]:
    column = {name: k for k, name in enumerate(outputs)}
    positive = np.zeros((len(labels), len(outputs)), np.bool_)
    for row, names in enumerate(labels):
        positive[row, [column[name] for name in names if name in column]] = True
    return positive


def mistakes(shape: tuple[int, ...], *, seed: int, noise: float) -> NDArray[np.bool_]:
    """Which answers of the stream, (n, K), are wrong where so large a share of them is."""
    return np.random.default_rng([seed, 1]).random(shape) < noise
