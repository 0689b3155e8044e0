"""The model that serves: immutable, numbered, cheap to follow with the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import network, platt
from models.counts import Relevance
from models.embeddings import directions
from models.features import Features
from models.names import Names
from models.ready import Ready
from models.table import Bag, Floats, Rows, extend, weigh


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
    yes: Floats  # (shelf, K) positive answers about products that have the feature
    embedding: Floats  # (shelf, width)
    seen: Floats  # (rows,) answered products that have the feature
    arrivals: NDArray[np.float64]  # (K,) that the answers stand for: the sum of their weights
    cost: float  # of the linear path
    relevance: Relevance
    answered: float | None  # products, which rarity goes by; None where it does not count
    rarity: Floats  # (rows,)
    absent: float  # rarity of a feature without a row
    bias: Floats  # (K,) logits of the network before it has learnt
    intercept: Floats  # (K,) of the linear path
    names: Names
    named: Floats  # (K,) weights of likeness to names
    names_pace: float
    encoded: Floats  # (d, K) weights of embeddings
    encoder_scale: float
    dense: Mapping[str, Tensor]
    prior: Tensor
    sketch: int
    mix: float
    spread: float
    scaling: platt.Scaling
    ready: Ready = field(init=False, repr=False, compare=False)  # weights of the linear path, relevance in them
    fused: network.Fused | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fused = network.fuse(self.dense, self.prior, self._on(self.bias), self.mix, self.spread)
        object.__setattr__(self, "fused", fused)
        object.__setattr__(self, "ready", Ready(len(self.seen), self.linear.shape[1]))

    @property
    def bits(self) -> int:
        """Bits of the feature ids it reads."""
        return len(self.places).bit_length() - 1

    def members(self, features: Features) -> Floats:
        """Every member's probability of yes: (n, K, M). They are for asking; what to believe are the scores."""
        bag = weigh(features, self.places, self.rarity, self.absent)
        linear = self._logits(features, bag)
        embedded = bag.sums(bag.values, self.shelves.take(bag.rows), self.embedding)
        sketched = network.sketch(features, bag.everything, self.sketch)
        with torch.inference_mode():
            blended = self._blended(self._on(linear), self._on(embedded), self._on(sketched))
            probabilities: Floats = torch.sigmoid(blended).cpu().numpy()
        return probabilities

    def _blended(self, linear: Tensor, embedded: Tensor, sketched: Tensor) -> Tensor:
        if self.fused is not None:
            share = (1.0 - self.mix) * linear
            return network.blend_fused(share, self.dense, self.fused, embedded, sketched)
        said = network.logits(self.dense, self.prior, embedded, sketched, self._on(self.bias))
        return network.blend(linear, said, self.mix, self.spread)

    def linear_path(self, features: Features) -> tuple[Floats, Floats]:
        """What the linear path alone says, and how easily it is moved.

        Returns:
            logits (n, K); and how far each would move per unit of the share of an answer about that product (n, K):
            the product's squared length as the output weighs its features, and one for the intercept.

        """
        bag = weigh(features, self.places, self.rarity, self.absent)
        rows, columns = np.unique(bag.rows, return_inverse=True)
        lengths = np.ones((len(features), len(self.outputs)), np.float32)
        if self.linear.shape[1]:
            squares = bag.matrix(np.square(bag.values), columns, len(rows))
            lengths += squares @ self.relevance.of(self.yes[self.shelves[rows]], self.seen[rows])
            # Features never learnt from would get a row with the answer.
            none = np.zeros((1, len(self.outputs)), np.float32)
            lengths += np.maximum(1.0 - squares.sum(axis=1), 0.0)[:, None] * self.relevance.of(none, none[:, 0])
            lengths += np.float32(self.names_pace) * np.square(self.names.likeness(features))
        lengths += np.float32(self.encoder_scale**2 if features.embeddings.shape[1] else 0.0)
        return self._logits(features, bag), lengths

    def novelty(self, features: Features) -> NDArray[np.float64]:
        """Mean over a product's features of 1 / (1 + answered products that had it) (n,), by their squared weights.

        One for a product of features never answered about, a half for the twin of the only product like it, less for
        the twin of many. Features of most products have little weight, so common words alone make nothing familiar.
        """
        bag = weigh(features, self.places, self.rarity, self.absent)
        squares = np.square(bag.values.astype(np.float64))
        familiar = squares * (self.seen[bag.rows] / (1.0 + self.seen[bag.rows]))
        owners = np.repeat(np.arange(len(features)), np.diff(bag.offsets))
        novelty: NDArray[np.float64] = np.clip(1.0 - np.bincount(owners, familiar, len(features)), 0.0, 1.0)
        return novelty

    def scores(self, members: Floats) -> Floats:
        """Calibrated scores (n, K) for what the members said; an output ranks products as their pooled logit does."""
        return self.scaling.probabilities(platt.pooled(members))

    def _logits(self, features: Features, bag: Bag) -> Floats:
        logits = np.tile(self.intercept, (len(bag.lengths), 1))
        if self.linear.shape[1]:
            logits += bag.sums(bag.twice, bag.rows, self._weights(bag.rows))
            logits += directions(features.embeddings) * np.float32(self.encoder_scale) @ self.encoded
            logits += self.names.likeness(features) * self.named
        return logits

    def _weights(self, rows: Rows) -> Floats:
        """What the linear path multiplies each row by (R, K), right for these rows at least."""
        missing = self.ready.missing(rows)
        if len(missing):
            at = self.shelves[missing]
            self.ready.put(missing, self.linear[at] * self.relevance.of(self.yes[at], self.seen[missing]))
        return self.ready.table

    def _on(self, values: Floats) -> Tensor:
        return torch.tensor(values, device=self.prior.device)  # copied, as in training


class Shelf:
    """Storage of the rows that snapshots serve from; the learner owns it, snapshots only hold parts of it.

    A place on the shelf is written once. A row that changed is written to a new place, and a full shelf is replaced by
    another with the live rows, while snapshots keep the one they know. So a snapshot never changes, and following one
    costs the rows that changed plus eight bytes per row; storage is at most about twice the live rows per shelf.
    """

    def __init__(self, *widths: int) -> None:
        """Start with no rows, of tables of these widths."""
        self.tables = [np.zeros((0, width), np.float32) for width in widths]
        self.places = np.zeros(0, np.int64)
        self.used = 0

    def put(self, rows: Rows, values: Sequence[Floats], count: int) -> None:
        """Write the rows that changed.

        Args:
            rows: distinct numbers of the rows that changed, all new ones among them.
            values: what these are now, in each table.
            count: rows there are now.

        """
        live = self.places[:count]
        if self.used + len(rows) > len(self.tables[0]):
            before = self.tables
            self.tables = [np.zeros((2 * count + 1024, table.shape[1]), np.float32) for table in before]
            for own, table in zip(self.tables, before, strict=True):
                own[: len(live)] = table[live]
            live, places, self.used = np.arange(count), rows, count
        else:
            places = np.arange(self.used, self.used + len(rows))
            self.used += len(rows)
        for own, changed in zip(self.tables, values, strict=True):
            own[places] = changed
        self.places = extend(live, count)
        self.places[rows] = places
