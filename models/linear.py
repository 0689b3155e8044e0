"""The linear path: logistic regression per output, solved answer by answer in its dual.

The weights are `features.T @ (scale * alpha)`: every remembered answer holds its own share alpha, one number per
output. Learning from an answer solves for its share exactly while all others stand still (dual coordinate ascent: Yu,
Huang and Lin 2011). So there is no rate to tune, an answer of weight h is the same as h answers, learning again from
an answer that is fitted changes nothing, and an answer can be taken back without a trace.
"""

import numpy as np
from numpy.typing import NDArray

from models.embeddings import directions
from models.features import Bytes
from models.state import State, array, moved, tensor
from models.table import Floats, Rows, extend

_ITERATIONS = 10
_NOTHING = np.zeros(0, np.int8)
_NOWHERE = np.zeros(0, np.float32)
_UNENCODED = np.zeros((0, 0), np.float32)
_UNLIKE = np.zeros(1, np.float32)


def solve(outside: Floats, targets: Floats, cost: Floats, length: Floats | float) -> Floats:
    """The share of an answer: the root of `alpha = cost * (target - expit(outside + length * alpha))`.

    Args:
        outside: (K,) logits without the answer's own share.
        targets: (K,) share of yes, in [0, 1].
        cost: (K,) weight of the answer times the inverse of the regularisation.
        length: (K,) squared length of the product as the output weighs its features.

    """
    # In halves of logits and doubles of probabilities, which are exact, an iteration takes the fewest calls.
    one = np.ones_like(outside)
    two, half = one + one, one / (one + one)
    steep = half * half * (cost * length)
    right = half * (outside + cost * length * targets)
    logits, yes, leaning, away = np.zeros_like(right), one.copy(), steep.copy(), np.empty_like(right)
    # Newton from the sigmoid's turning point goes to the root from one side and never past it.
    for _ in range(_ITERATIONS):
        np.add(logits, leaning, out=away)
        away -= right
        np.subtract(two, yes, out=yes)
        leaning *= yes
        leaning += one
        away /= leaning
        logits -= away
        np.tanh(logits, out=yes)
        yes += one
        np.multiply(steep, yes, out=leaning)
    share: Floats = (cost * (targets - half * yes)).astype(np.float32)
    return share


class Linear:
    """Weights by table row and output, an intercept, and weights of what every product has.

    That is its embedding, (d, K), and its likeness to each output's name, (K,).
    """

    def __init__(
        self, rows: int, width: int, encoded: Floats = _UNENCODED, scale: float = 1.0, named: float = 0.0,
        pace: float = 0.0,
    ) -> None:  # fmt: skip
        """Start at nothing, but for the weights given; a width of 0 switches the path off.

        Args:
            rows: of the table.
            width: outputs, K.
            encoded: (d, K) weights of embeddings.
            scale: length that embeddings are given.
            named: the weight of every likeness.
            pace: squared length that a likeness of one is given: the larger, the sooner its weight moves.

        """
        self.weights = np.zeros((rows, width), np.float32)
        self.yes = np.zeros((rows, width), np.float32)  # positive answers about products that have the feature
        self.intercept = np.zeros(width, np.float32)
        self.encoded, self.scale = np.zeros((len(encoded), width), np.float32), np.float32(scale)
        if len(encoded):
            self.encoded += encoded[:, :width]
        self.start, self.pace = np.float32(named), np.float32(pace)
        self.named = np.full(width, self.start)

    @property
    def width(self) -> int:
        return len(self.intercept)

    def open(self, rows: Rows, size: int) -> None:
        """Start new features at nothing, in tables of `size` rows."""
        if size > len(self.weights):
            self.weights, self.yes = extend(self.weights, size), extend(self.yes, size)
        self.weights[rows], self.yes[rows] = 0.0, 0.0

    def count(self, rows: Rows, targets: Floats, sign: float) -> None:
        """Count a product's positive answers for its features, or with sign -1 take them back."""
        if self.width:
            self.yes[rows] += np.float32(sign) * np.nan_to_num(targets)

    def learn(
        self, rows: Rows, counts: Floats, rarity: Floats, relevance: Floats, share: Floats, scale: float,
        *, bias: Floats, targets: Floats, cost: Floats, likeness: Floats = _UNLIKE, embedding: Bytes = _NOTHING,
    ) -> tuple[Floats, float, Floats]:  # fmt: skip
        """Solve for one answer's share; outputs whose target is NaN keep theirs.

        Args:
            rows: table rows of the product's features.
            counts: their values, rarity left out.
            rarity: their weights by rarity now.
            relevance: (rows, K) their squared weights by output now.
            share: (K,) what the answer holds now, counted in with `scale`; both zero for a new answer.
            scale: one over the product's length at that time.
            bias: (K,) logits to start from.
            targets: (K,) share of yes.
            cost: (K,) see `solve`.
            likeness: (K,) of the product to the outputs' names.
            embedding: (d,) of the product.

        Returns:
            the new share, the new scale, and the logits without the answer's own share: what the others say of it.

        """
        weighed = counts * rarity
        encoding = directions(embedding[None])[0] * self.scale if len(embedding) else _NOWHERE
        length = np.float32(max(float(np.sqrt(weighed @ weighed)), 1e-6))
        kept = self.weights[rows]
        own = (weighed * weighed) @ relevance / length
        logits = (weighed * rarity / length) @ (kept * relevance) + self.intercept + bias
        logits += encoding @ self.encoded + likeness * self.named
        always = np.float32(1.0) + encoding @ encoding + self.pace * np.square(likeness)
        outside = logits - share * (np.float32(scale) * own + always)
        given = ~np.isnan(targets)
        answered = solve(outside, np.where(given, targets, np.float32(0.0)), cost, own / length + always)
        solved = np.where(given, answered, share)
        self.weights[rows] = kept + counts[:, None] * (solved / length - share * np.float32(scale))
        self.intercept += solved - share
        self.encoded += encoding[:, None] * (solved - share)
        self.named += self.pace * likeness * (solved - share)
        return solved, 1.0 / float(length), outside

    def forget(
        self,
        rows: Rows,
        counts: Floats,
        share: Floats,
        scale: float,
        likeness: Floats = _UNLIKE,
        embedding: Bytes = _NOTHING,
    ) -> None:
        """Take an answer's share out again."""
        if self.width:
            self.weights[rows] -= counts[:, None] * (share * np.float32(scale))
            self.intercept -= share
            self.encoded -= (directions(embedding[None])[0] * self.scale)[:, None] * share
            self.named -= self.pace * likeness * share

    def constant(self) -> Floats | float:
        """What the intercept adds to every logit."""
        return self.intercept if self.width else 0.0

    def rearrange(self, sources: NDArray[np.int64], *, on: bool, encoded: Floats = _UNENCODED) -> None:
        """Go on with other outputs: output i is what was `sources[i]`, or fresh where that is -1.

        The embedding's weights of fresh ones start at those given, of all outputs.
        """
        if not self.width:
            sources = np.full(len(sources), -1, np.int64)
        if not on:
            sources = np.zeros(0, np.int64)
        self.weights = moved(self.weights, sources, 0.0, axis=1)
        self.yes = moved(self.yes, sources, 0.0, axis=1)
        self.intercept = moved(self.intercept, sources, 0.0)
        self.named = moved(self.named, sources, float(self.start))
        fresh = np.flatnonzero(sources < 0)
        self.encoded = moved(self.encoded, sources, 0.0, axis=1)
        if len(encoded):
            self.encoded[:, fresh] = encoded[:, fresh]

    def state(self, rows: int) -> State:
        """The first `rows` rows."""
        state = {
            "weights": tensor(self.weights[:rows]),
            "yes": tensor(self.yes[:rows]),
            "intercept": tensor(self.intercept),
            "named": tensor(self.named),
        }
        return {**state, "encoded": tensor(self.encoded)} if len(self.encoded) else state

    def restore(self, state: State, size: int) -> None:
        """Become the path whose state this is, in a table of `size` rows."""
        self.weights = extend(array(state["weights"]).astype(np.float32), size)
        self.yes = extend(array(state["yes"]).astype(np.float32), size)
        self.intercept = array(state["intercept"]).astype(np.float32)
        self.named = array(state["named"]).astype(np.float32)
        if len(self.encoded):
            self.encoded = array(state["encoded"]).astype(np.float32)
