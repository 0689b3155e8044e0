"""The chance of asking, the draw that decides, and the budget that scales the chance."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, shared

Doubles = NDArray[np.float64]

_SMALLEST, _LARGEST = 1e-4, 1e4  # of the budget's scale
_MOST_KEY: Final = 64  # bytes that blake2b takes as a key


def draw(key: bytes, stream: str, arrival: str) -> float:
    """The draw of an arrival: uniform in [0, 1), a function of the three arguments, unpredictable without the key.

    Args:
        key: the secret; 1 to 64 bytes.
        stream: name of the stream; the same arrival of another stream has another draw.
        arrival: the arrival's name, `topic/partition/offset`.

    """
    return float(draws(key, stream, (arrival,))[0])


def draws(key: bytes, stream: str, arrivals: Sequence[str]) -> Doubles:
    """The draws (n,) of arrivals, each as `draw` says."""
    if not 1 <= len(key) <= _MOST_KEY:
        raise ValueError(f"a key has 1 to {_MOST_KEY} bytes, not {len(key)}")
    name, digests = stream.encode(), []
    begun = blake2b(len(name).to_bytes(4, "big") + name, digest_size=8, key=key)
    for arrival in arrivals:
        one = begun.copy()
        one.update(arrival.encode())
        digests.append(one.digest())
    return (np.frombuffer(b"".join(digests), ">u8") >> np.uint64(11)).astype(np.float64) * 2.0**-53


def query_id(stream: str, arrival: str) -> str:
    """Name of the query about an arrival: stable, and different for every arrival of every stream."""
    name = stream.encode()
    return blake2b(len(name).to_bytes(4, "big") + name + arrival.encode(), digest_size=16, person=b"query").hexdigest()


def floor_for(share: float) -> float:
    """The floor that suits a share where none is set: a fifth of it, but 0.02 while that is at most half of it."""
    return min(share / 2.0, max(0.02, share / 5.0))


@dataclass(frozen=True, slots=True)
class Chances:
    """The chances of a batch of arrivals, each in [floor, 1]; made in no other way.

    Args:
        product: (n,) the chance that anything is asked about each arrival.
        outputs: (n, K) the chance of each output when outputs are asked one by one, its maximum over outputs being
            `product`; None when the whole product is asked about, then every output has the product's chance.
        floor: the least chance, above 0.
        scales: (n,) the budget's scale each arrival met; None where there is no budget.
        output_scales: (n, K) the scale each output met, where some have a share of their own; else None.

    Raises:
        ValueError: a chance outside [floor, 1] or not a number, a floor outside (0, 1], shapes that do not fit.

    """

    product: Doubles
    outputs: Doubles | None
    floor: float
    scales: Doubles | None = None
    output_scales: Doubles | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.floor <= 1.0:
            raise ValueError(f"the floor must be above 0 and at most 1, not {self.floor}")
        _check(self.product, self.floor)
        if self.outputs is not None:
            if self.outputs.ndim != 2 or len(self.outputs) != len(self.product):
                raise ValueError(f"{self.outputs.shape} chances of outputs for {len(self.product)} arrivals")
            _check(self.outputs, self.floor)
            if not np.array_equal(self.outputs.max(axis=1, initial=self.floor), self.product):
                raise ValueError("the chance of a product is the largest of its outputs' chances")

    def __len__(self) -> int:
        return len(self.product)

    @staticmethod
    def concatenate(parts: Sequence["Chances"]) -> "Chances":
        """Those of arrivals that follow each other, all made in one way; of one part at least."""
        return Chances(
            np.concatenate([part.product for part in parts]),
            _joined([part.outputs for part in parts]),
            parts[0].floor,
            _joined([part.scales for part in parts]),
            _joined([part.output_scales for part in parts]),
        )

    def spent(self, rows: Sequence[int]) -> float:
        """Labels expected of these arrivals, in products: one of which only some outputs are asked counts that part."""
        if self.outputs is None or not self.outputs.shape[1]:
            return float(self.product[rows].sum())
        return float(self.outputs[rows].mean(axis=1).sum())

    def asked(self, draws: Sequence[float] | Doubles) -> NDArray[np.bool_]:
        """Which arrivals are asked about: the draw below the chance."""
        return np.asarray(draws, np.float64) < self.product

    def asked_outputs(self, draws: Sequence[float] | Doubles, outputs: int) -> NDArray[np.bool_]:
        """Which outputs are asked of each arrival (n, K): one draw for all of them, so that they nest."""
        chances = np.repeat(self.product[:, None], outputs, axis=1) if self.outputs is None else self.outputs
        return np.asarray(draws, np.float64)[:, None] < chances


def _joined(parts: Sequence[Doubles | None]) -> Doubles | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None


def _check(chances: Doubles, floor: float) -> None:
    # Written so that a NaN fails as well.
    if not bool(np.all((chances >= floor) & (chances <= 1.0))):
        raise ValueError(f"every chance must lie in [{floor}, 1]")


def combine(disagreement: Doubles, importance: Doubles | None = None) -> Doubles:
    """One figure per arrival from (n, K): the root mean square over outputs, weighted by `importance` (K,) >= 0."""
    weights = np.ones(disagreement.shape[1]) if importance is None else importance
    total = float(weights.sum())
    if total <= 0.0:
        return np.zeros(len(disagreement))
    combined: Doubles = np.sqrt((disagreement**2 @ weights) / total)
    return combined


def rise(floor: float, scale: float | Doubles, disagreement: Doubles) -> Doubles:
    """The chance at a given disagreement: p = clip(floor + (1 - floor) * min(1, scale * g), floor, 1)."""
    return np.clip(floor + (1.0 - floor) * np.minimum(1.0, scale * disagreement), floor, 1.0)


@shared
def _moved(scale: float, spent: float, share: float, eta: float) -> float:
    """The budget's scale after an arrival that spent so much."""
    return min(_LARGEST, max(_SMALLEST, scale * math.exp(eta * (share - spent) / share)))


@compiled("f8[]", "f8", "f8", "f8", "f8", "f8[]=", "f8[]=")
def _feed_back(
    combined: Doubles, share: float, floor: float, eta: float, scale: float, product: Doubles, scales: Doubles
) -> float:
    """Write the chance of each arrival and the scale it met; returns the scale after the last."""
    for i in range(len(combined)):
        scales[i] = scale
        product[i] = min(1.0, max(floor, floor + (1.0 - floor) * min(1.0, scale * combined[i])))
        scale = _moved(scale, product[i], share, eta)
    return scale


class Budget:
    """Holds the mean chance at a share of arrivals by moving one scale, arrival by arrival.

    The chance of an arrival depends on the arrivals before it and its own disagreement alone, never on how the stream
    is cut into batches and never on a draw: `scale <- scale * exp(eta * (share - p) / share)` after each.

    An output with a share of its own has a scale of its own, moved in the same way by its own chance, and never above
    the general one. So over T arrivals its mean chance is at most `share * (1 + ln(first / last) / (eta * T))`, with
    its scale before and after them, whatever comes (but for 1e-4); what it may not spend goes to the others.
    """

    def __init__(
        self,
        *,
        share: float,
        floor: float,
        eta: float = 0.02,
        scale: float | None = None,
        output_shares: Mapping[int, float] | None = None,
        output_scales: Mapping[int, float] | None = None,
    ) -> None:
        """Start at `scale` and `output_scales`, the whole of the state.

        Args:
            share: of arrivals, at which the mean chance is held.
            floor: the least chance, above 0.
            eta: step of the feedback.
            scale: without one, that which suits a disagreement of 1 everywhere.
            output_shares: by column, the mean chance of some outputs at most, where outputs are asked one by one.
            output_scales: of those; without one, the general scale.

        Raises:
            ValueError: a share or the floor outside (0, 1], or a floor above a share, which no scale could meet.

        """
        self.output_shares = dict(output_shares or {})
        for wanted in (share, *self.output_shares.values()):
            if not 0.0 < floor <= wanted <= 1.0:
                raise ValueError(f"0 < floor <= share <= 1 is needed, not floor {floor} and share {wanted}")
        self.share, self.floor, self.eta = share, floor, eta
        self.scale = max(_SMALLEST, (share - floor) / (1.0 - floor) if floor < 1.0 else 1.0) if scale is None else scale
        known = output_scales or {}
        self.output_scales = {k: min(self.scale, known.get(k, self.scale)) for k in self.output_shares}

    def chances_for(self, combined: Doubles, disagreement: Doubles | None = None) -> Chances:
        """The chances of the next arrivals, in order; moves the scale past them.

        Args:
            combined: (n,) one figure per arrival. Whole products are asked about with a chance that rises with it.
            disagreement: (n, K) if given, outputs are asked one by one, each with its own chance; what is fed back is
                the mean chance of an answer over outputs, so the share is then a share of all answers.

        """
        return self._of_products(combined) if disagreement is None else self._of_outputs(disagreement)

    def _of_products(self, combined: Doubles) -> Chances:
        product, scales = np.empty((2, len(combined)))
        self.scale = _feed_back(combined, self.share, self.floor, self.eta, self.scale, product, scales)
        return Chances(product, None, self.floor, scales)

    def _of_outputs(self, disagreement: Doubles) -> Chances:
        n = len(disagreement)
        product, scales = np.empty(n), np.empty(n)
        outputs = np.empty(disagreement.shape)
        bounded = list(self.output_shares)
        most = np.array([self.output_shares[k] for k in bounded])
        own = np.array([self.output_scales[k] for k in bounded])
        output_scales = np.empty(disagreement.shape) if bounded else None
        for i in range(n):
            scales[i] = self.scale
            met: float | Doubles = self.scale
            if output_scales is not None:
                output_scales[i] = self.scale
                output_scales[i, bounded] = own
                met = output_scales[i]
            outputs[i] = rise(self.floor, met, disagreement[i])
            product[i] = outputs[i].max(initial=self.floor)
            spent = float(outputs[i].mean()) if disagreement.size else self.floor
            self.scale = _moved(self.scale, spent, self.share, self.eta)
            if bounded:
                own = np.maximum(_SMALLEST, own * np.exp(self.eta * (most - outputs[i, bounded]) / most))
                own = np.minimum(self.scale, own)
        self.output_scales.update(zip(bounded, own.tolist(), strict=True))
        return Chances(product, outputs, self.floor, scales, output_scales)
