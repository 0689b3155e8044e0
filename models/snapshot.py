"""The model that serves: immutable, numbered, cheap to follow with the next."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import network
from models.features import Features
from models.table import Floats, Rows, weigh


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A model as it was after one batch of answers; nothing of it ever changes.

    Several snapshots share the storage of rows that did not change between them; see `Shelf`.
    """

    version: int
    outputs: tuple[str, ...]
    thresholds: Floats  # (K,) a score at or above is decided positive
    prevalence: NDArray[np.float64]  # (K,) share of yes, from weighted answers
    places: NDArray[np.int32]  # row of each feature, -1 for none; rows beyond `shelves` came later
    shelves: Rows  # where on the shelf each row lies
    linear: Floats  # (shelf, K)
    embedding: Floats  # (shelf, width)
    rarity: Floats
    absent: float  # rarity of a feature without a row
    bias: Floats  # (K,) logits of the network before it has learnt
    intercept: Floats  # (K,) of the linear path
    dense: Mapping[str, Tensor]
    prior: Tensor
    sketch: int
    mix: float
    spread: float

    @property
    def bits(self) -> int:
        """Bits of the feature ids it reads."""
        return len(self.places).bit_length() - 1

    def members(self, features: Features) -> Floats:
        """Every member's probability of yes: (n, K, M)."""
        bag = weigh(features, self.places, self.rarity, self.absent)
        at = self.shelves[bag.rows]
        linear = np.tile(self.intercept, (len(features), 1))
        if self.linear.shape[1]:
            linear += bag.matrix(bag.twice, at, len(self.linear)) @ self.linear
        embedded = bag.matrix(bag.values, at, len(self.embedding)) @ self.embedding
        sketched = network.sketch(features, bag.everything, self.sketch)
        with torch.inference_mode():
            said = network.logits(self.dense, self.prior, self._on(embedded), self._on(sketched), self._on(self.bias))
            blended = network.blend(self._on(linear), said, self.mix, self.spread)
            probabilities: Floats = torch.sigmoid(blended).cpu().numpy()
        return probabilities

    def _on(self, values: Floats) -> Tensor:
        return torch.from_numpy(values).to(self.prior.device)


class Shelf:
    """Storage of the rows that snapshots serve from; the learner owns it, snapshots only hold parts of it.

    A place on the shelf is written once. A row that changed is written to a new place, and a full shelf is replaced by
    another with the live rows, while snapshots keep the one they know. So a snapshot never changes, and following one
    costs the rows that changed plus eight bytes per row; storage is at most about twice the live rows per shelf.
    """

    def __init__(self, linear: int, embedding: int) -> None:
        self.linear = np.zeros((0, linear), np.float32)
        self.embedding = np.zeros((0, embedding), np.float32)
        self.places = np.zeros(0, np.int64)
        self.used = 0

    def put(self, rows: Rows, linear: Floats, embedding: Floats, count: int) -> None:
        """Write the rows that changed.

        Args:
            rows: distinct numbers of the rows that changed, all new ones among them.
            linear: the learner's whole table.
            embedding: likewise.
            count: rows there are now.

        """
        if self.used + len(rows) > len(self.linear):
            size = 2 * count + 1024
            self.linear = np.zeros((size, self.linear.shape[1]), np.float32)
            self.embedding = np.zeros((size, self.embedding.shape[1]), np.float32)
            rows, self.used = np.arange(count), 0
        places = np.arange(self.used, self.used + len(rows))
        self.linear[places], self.embedding[places] = linear[rows], embedding[rows]
        moved = np.zeros(count, np.int64)
        moved[: len(self.places)] = self.places[:count]
        moved[rows] = places
        self.places = moved
        self.used += len(rows)
