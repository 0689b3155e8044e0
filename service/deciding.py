"""What was decided about arrivals, as records: predictions, queries, tallies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.chance import Budget, Chances, combine, query_id
from models.coding import Malformed, encode, reject
from models.messages import Because, OutputTally, Prediction, Product, Query, Tally
from models.policies import Policy
from models.port import Serving
from models.records import Outgoing, Record
from models.view import View
from models.watched import Yardstick

MOST_TERMS: Final = 100  # outputs whose terms a query explains
KEY_KEPT: Final = 1_000  # bytes of the key of a record that is turned away


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The rule by which a chance is made and a coin is thrown."""

    policy: Policy
    unit: Literal["product", "output"]
    share: float
    p_min: float
    eta: float
    key: bytes  # secret of the draws
    stream: str
    expires: float  # seconds
    finished: frozenset[str] = frozenset()  # outputs shown to meet their targets: nothing is asked for their sake

    def share_now(self, outputs: Sequence[str]) -> float:
        """The share of arrivals wanted: the audit floor alone once every output is finished."""
        return self.p_min if outputs and self.finished.issuperset(outputs) else self.share

    def raised(self, factor: float) -> "Asking":
        """The same with share and least chance times a factor, neither above 1."""
        return replace(self, share=min(1.0, factor * self.share), p_min=min(1.0, factor * self.p_min))

    def judge(self, view: View, scale: float) -> "Judged":
        """Turn what the model says into chances, in arrival order, starting from the budget's `scale`."""
        outputs = view.snapshot.outputs
        counted = np.array([name not in self.finished for name in outputs], dtype=np.float64)
        disagreement = self.policy.disagreement(view) * counted
        combined = combine(disagreement, counted)
        budget = Budget(share=self.share_now(outputs), floor=self.p_min, eta=self.eta, scale=scale)
        chances = budget.chances_for(combined, disagreement if self.unit == "output" else None)
        return Judged(disagreement, combined, chances, budget.scale)


@dataclass(frozen=True, slots=True)
class Judged:
    """The chances of a batch and their terms."""

    disagreement: NDArray[np.float64]  # (n, K)
    combined: NDArray[np.float64]  # (n,)
    chances: Chances
    scale: float  # after the last arrival


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about each of n arrivals."""

    scores: NDArray[np.float32]  # (n, K)
    positive: NDArray[np.bool_]  # (n, K)
    judged: Judged
    draws: NDArray[np.float64]  # (n,)
    asked: NDArray[np.bool_]  # (n,)
    measured: NDArray[np.float64] | None = None  # (n, signals) of drift, if it is watched for


def predictions(
    products: Sequence[Product],
    places: Sequence[Record],
    decided: Decided,
    snapshot: Serving,
    asking: Asking,
    now: float,
) -> Iterator[Outgoing]:
    rows, columns = np.nonzero(decided.positive)
    positive: list[dict[str, float]] = [{} for _ in products]
    for i, k, value in zip(rows.tolist(), columns.tolist(), decided.scores[rows, columns].tolist(), strict=True):
        positive[i][snapshot.outputs[k]] = value
    chances, draws, asked = decided.judged.chances.product.tolist(), decided.draws.tolist(), decided.asked.tolist()
    packed = decided.scores.astype("<f4", copy=False)
    for i, (product, place) in enumerate(zip(products, places, strict=True)):
        prediction = Prediction(
            product=product.id,
            arrival=place.arrival,
            model=snapshot.version,
            policy=asking.policy.name,
            scores=packed[i].tobytes(),
            positive=positive[i],
            chance=chances[i],
            draw=draws[i],
            asked=asked[i],
            at=now,
        )
        yield Outgoing("predictions", product.id.encode(), encode(prediction))


def rejected(record: Record, error: Malformed) -> Outgoing:
    """The rejection of a record, bounded whatever the record is."""
    return Outgoing("rejections", record.key and record.key[:KEY_KEPT], encode(reject(record, error)))


def queries(
    products: Sequence[Product],
    places: Sequence[Record],
    decided: Decided,
    snapshot: Serving,
    asking: Asking,
    now: float,
) -> Iterator[Outgoing]:
    chances = decided.judged.chances
    outputs = chances.asked_outputs(decided.draws, len(snapshot.outputs))
    for i in np.flatnonzero(decided.asked).tolist():
        identity = query_id(asking.stream, places[i].arrival)
        asked = np.flatnonzero(outputs[i])
        query = Query(
            id=identity,
            arrival=places[i].arrival,
            product=products[i],
            ask=[snapshot.outputs[k] for k in asked],
            chance=_chance(chances, i, asked, snapshot.outputs),
            scores=decided.scores[i].astype("<f4", copy=False).tobytes(),
            positive=[snapshot.outputs[k] for k in np.flatnonzero(decided.positive[i])],
            model=snapshot.version,
            policy=asking.policy.name,
            because=_because(decided, i, asked, snapshot, asking),
            priority=float(decided.judged.combined[i]),
            asked_at=now,
            expires_at=now + asking.expires,
        )
        yield Outgoing("queries", identity.encode(), encode(query))


def _chance(chances: Chances, i: int, asked: NDArray[np.intp], outputs: Sequence[str]) -> dict[str, float] | float:
    if chances.outputs is None:
        return float(chances.product[i])
    return {outputs[k]: float(chances.outputs[i, k]) for k in asked}


def _because(decided: Decided, i: int, asked: NDArray[np.intp], snapshot: Serving, asking: Asking) -> Because:
    judged = decided.judged
    assert judged.chances.scales is not None
    strongest = asked[np.argsort(-judged.disagreement[i, asked], kind="stable")[:MOST_TERMS]].tolist()
    return Because(
        disagreement={snapshot.outputs[k]: float(judged.disagreement[i, k]) for k in strongest},
        combined=float(judged.combined[i]),
        floor=asking.p_min,
        scale=float(judged.chances.scales[i]),
        share=asking.share_now(snapshot.outputs),
        threshold={snapshot.outputs[k]: float(snapshot.thresholds[k]) for k in strongest},
        draw=float(decided.draws[i]),
        finished=[name for name in snapshot.outputs if name in asking.finished][:MOST_TERMS],
    )


def tallies(
    places: Sequence[Record],
    decided: Decided,
    snapshot: Serving,
    asking: Asking,
    now: float,
    yardstick: Yardstick | None = None,
) -> Iterator[Outgoing]:
    by_partition: dict[tuple[str, int], list[int]] = {}
    for i, place in enumerate(places):
        by_partition.setdefault((place.topic, place.partition), []).append(i)
    for (topic, partition), rows in by_partition.items():
        scores, positive = decided.scores[rows].astype(np.float64), decided.positive[rows]
        counts = positive.sum(axis=0).tolist()
        above = np.where(positive, scores, 0.0).sum(axis=0).tolist()
        below = np.where(positive, 0.0, scores).sum(axis=0).tolist()
        tally = Tally(
            topic=topic,
            partition=partition,
            first=places[rows[0]].offset,
            last=places[rows[-1]].offset,
            model=snapshot.version,
            policy=asking.policy.name,
            n=len(rows),
            asked=int(decided.asked[rows].sum()),
            chance=float(decided.judged.chances.product[rows].sum()),
            scale=decided.judged.scale,
            outputs={
                name: OutputTally(positive=n, mass_positive=yes, mass_negative=no)
                for name, n, yes, no in zip(snapshot.outputs, counts, above, below, strict=True)
            },
            signals=(None if yardstick is None or decided.measured is None else yardstick.told(decided.measured[rows])),
            at=now,
        )
        yield Outgoing("tallies", f"{topic}/{partition}".encode(), encode(tally))
