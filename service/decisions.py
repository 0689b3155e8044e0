"""What was decided about arrivals, as records: predictions, queries, rejections, tallies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.chance import query_id
from models.coding import Malformed, encode, reject
from models.messages import Because, OutputTally, Prediction, Product, Query, Signals, Tally
from models.port import Serving
from models.records import Outgoing, Record
from models.watched import Yardstick
from service.deciding import Asking, Judged

MOST_TERMS: Final = 100  # outputs whose terms a query explains
KEY_KEPT: Final = 1_000  # bytes of the key of a record that is turned away


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was decided about each of n arrivals, by which model and rule, and when."""

    products: Sequence[Product]
    places: Sequence[Record]  # where each came from
    arrivals: Sequence[str]  # their names
    snapshot: Serving
    asking: Asking
    at: float  # seconds since 1970
    scores: NDArray[np.float32]  # (n, K)
    positive: NDArray[np.bool_]  # (n, K)
    judged: Judged
    draws: NDArray[np.float64]  # (n,)
    asked: NDArray[np.bool_]  # (n,)
    watched: NDArray[np.int64]  # those measured for drift, ascending
    measured: NDArray[np.float64] | None = None  # (watched, signals) of drift, if it is watched for


def predictions(decided: Decided) -> Iterator[Outgoing]:
    """One for each arrival, in their order."""
    positive: list[dict[str, float]] = [{} for _ in decided.products]
    rows, columns = np.nonzero(decided.positive)
    outputs, sure = decided.snapshot.outputs, decided.scores[rows, columns].tolist()
    for i, k, score in zip(rows.tolist(), columns.tolist(), sure, strict=True):
        positive[i][outputs[k]] = score
    packed, width = _packed(decided.scores), 4 * len(outputs)
    model, policy, at = decided.snapshot.version, decided.asking.policy.name, decided.at
    chances, draws, asked = decided.judged.chances.product.tolist(), decided.draws.tolist(), decided.asked.tolist()
    for i, (product, arrival) in enumerate(zip(decided.products, decided.arrivals, strict=True)):
        prediction = Prediction(
            product=product.id,
            arrival=arrival,
            model=model,
            policy=policy,
            scores=packed[i * width : (i + 1) * width],
            positive=positive[i],
            chance=chances[i],
            draw=draws[i],
            asked=asked[i],
            at=at,
        )
        yield Outgoing("predictions", product.id.encode(), encode(prediction))


def _packed(scores: NDArray[np.float32]) -> bytes:
    return scores.astype("<f4", copy=False).tobytes()


def rejected(record: Record, error: Malformed) -> Outgoing:
    """The rejection of a record, bounded whatever the record is."""
    return Outgoing("rejections", record.key and record.key[:KEY_KEPT], encode(reject(record, error)))


def queries(decided: Decided) -> Iterator[Outgoing]:
    """One for each arrival that is asked about, in their order."""
    snapshot, asking = decided.snapshot, decided.asking
    every = np.arange(len(snapshot.outputs))
    finished = [name for name in snapshot.outputs if name in asking.finished][:MOST_TERMS]
    for i in np.flatnonzero(decided.asked).tolist():
        arrival = decided.arrivals[i]
        identity = query_id(asking.stream, arrival)
        chances = decided.judged.chances.outputs
        asked = every if chances is None else np.flatnonzero(decided.draws[i] < chances[i])
        names = [snapshot.outputs[k] for k in asked.tolist()]
        query = Query(
            id=identity,
            arrival=arrival,
            product=decided.products[i],
            ask=names,
            chance=decided.judged.chances.product[i].item()
            if chances is None
            else dict(zip(names, chances[i, asked].tolist(), strict=True)),
            scores=_packed(decided.scores[i]),
            positive=[snapshot.outputs[k] for k in np.flatnonzero(decided.positive[i]).tolist()],
            model=snapshot.version,
            policy=asking.policy.name,
            because=_because(decided, i, asked, finished),
            priority=decided.judged.combined[i].item(),
            asked_at=decided.at,
            expires_at=decided.at + asking.expires,
        )
        yield Outgoing("queries", identity.encode(), encode(query))


def _dated(at: float) -> float | None:
    """The time, unless the feed has stamped its records with none."""
    return at if 946_684_800.0 <= at < 4_102_444_800.0 else None


def _because(decided: Decided, i: int, asked: NDArray[np.intp], finished: list[str]) -> Because:
    judged, snapshot, asking = decided.judged, decided.snapshot, decided.asking
    assert judged.chances.scales is not None
    own = judged.chances.output_scales
    strongest = asked[np.argsort(-judged.disagreement[i, asked], kind="stable")[:MOST_TERMS]]
    names = [snapshot.outputs[k] for k in strongest.tolist()]
    scales = () if own is None else zip(names, own[i, strongest].tolist(), strict=True)
    return Because(
        disagreement=dict(zip(names, judged.disagreement[i, strongest].tolist(), strict=True)),
        combined=judged.combined[i].item(),
        floor=asking.p_min,
        scale=judged.chances.scales[i].item(),
        output_scales={name: scale for name, scale in scales if name in asking.output_shares},
        share=asking.share_now(snapshot.outputs),
        threshold=dict(zip(names, snapshot.thresholds[strongest].tolist(), strict=True)),
        draw=decided.draws[i].item(),
        finished=finished,
    )


def tallies(decided: Decided, yardstick: Yardstick | None = None) -> Iterator[Outgoing]:
    """One for each partition that arrivals came from, with the signals of drift if a yardstick has measured them."""
    places, snapshot = decided.places, decided.snapshot
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
            policy=decided.asking.policy.name,
            n=len(rows),
            asked=int(decided.asked[rows].sum()),
            chance=float(decided.judged.chances.product[rows].sum()),
            scale=decided.judged.scale,
            spent=decided.judged.chances.spent(rows),
            newest=_dated(max(places[row].at for row in rows)),
            outputs={
                name: OutputTally(
                    positive=n, mass_positive=yes, mass_negative=no, scale=decided.judged.output_scales.get(name)
                )
                for name, n, yes, no in zip(snapshot.outputs, counts, above, below, strict=True)
            },
            signals=_signals(decided, rows, yardstick),
            at=decided.at,
        )
        yield Outgoing("tallies", f"{topic}/{partition}".encode(), encode(tally))


def _signals(decided: Decided, rows: list[int], yardstick: Yardstick | None) -> Signals | None:
    """What was measured of some arrivals; None if nothing was."""
    if yardstick is None or decided.measured is None:
        return None
    measured = decided.measured[np.isin(decided.watched, rows)]
    return yardstick.told(measured) if len(measured) else None
