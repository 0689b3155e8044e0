"""What an encoder says of products, and of the outputs by their names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from models.features import BRAND, TITLE, Bytes, Features, featurise
from models.lessons import LearnerSettings
from models.messages import Product
from models.names import words_of
from models.table import Floats

TEXT: Final = 600  # characters of a product that are encoded


class Encoder(Protocol):
    """Texts to embeddings, the same bytes for the same text whenever asked."""

    @property
    def dimensions(self) -> int:
        """Numbers of an embedding, d; 0 where nothing is encoded."""
        ...

    @property
    def knows_names(self) -> bool:
        """Whether the names of outputs lie near the products that they mean."""
        ...

    def embed(self, texts: Sequence[str]) -> Bytes:
        """One row for each text, (n, d); only its direction means anything."""
        ...


class Unencoded:
    """No encoder: embeddings of no dimensions."""

    dimensions: Final = 0
    knows_names: Final = False

    def embed(self, texts: Sequence[str]) -> Bytes:
        return np.zeros((len(texts), 0), np.int8)


UNENCODED: Final = Unencoded()


def text_of(product: Product) -> str:
    """What of a product is encoded: title, brand and the beginning of its description, at most 600 characters."""
    parts = (product.title[:TITLE], (product.brand or "")[:BRAND], (product.description or "")[:TEXT])
    return " ".join(part for part in parts if part)[:TEXT]


def read(products: Sequence[Product], encoder: Encoder, *, bits: int) -> Features:
    """Hashed features of products, with what the encoder says of each."""
    features = featurise(products, bits=bits)
    if not encoder.dimensions:
        return features
    return replace(features, embeddings=encoder.embed([text_of(product) for product in products]))


def directions(embeddings: Bytes) -> Floats:
    """Embeddings scaled to length one; of integers and a root alone, so the same everywhere."""
    whole = embeddings.astype(np.int64)
    lengths = np.sqrt(np.maximum((whole * whole).sum(axis=1), 1))
    scaled: Floats = (whole / lengths[:, None]).astype(np.float32)
    return scaled


def beginning(outputs: Sequence[str], encoder: Encoder, settings: LearnerSettings) -> Floats:
    """Weights of embeddings before any answer, (d, K), by what the outputs are called.

    Each points where the output's name lies, less what the other names have in common: a product like the name is
    thought a yes (classification by the meaning of labels: Chang, Ratinov, Roth and Srikumar 2008). Nothing, where the
    encoder does not know names.
    """
    if not encoder.knows_names:
        return np.zeros((encoder.dimensions, len(outputs)), np.float32)
    names = directions(encoder.embed([words_of(output) for output in outputs])).astype(np.float64)
    apart = names - (names.sum(axis=0) - names) / max(1, len(names))
    weights: Floats = (settings.encoder_names / settings.encoder_scale * apart.T).astype(np.float32)
    return weights
