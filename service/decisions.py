"""What was decided about arrivals, as records: predictions, queries, rejections, tallies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.chance import query_id
from models.coding import Malformed, encode, reject
from models.compiled import compiled
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
    snapshot, asking, chances = decided.snapshot, decided.asking, decided.judged.chances
    finished = [name for name in snapshot.outputs if name in asking.finished][:MOST_TERMS]
    rows = np.flatnonzero(decided.asked)
    least = chances.product[rows, None] if chances.outputs is None else chances.outputs[rows]
    sought = np.broadcast_to(decided.draws[rows, None] < least, (len(rows), len(snapshot.outputs)))
    # Those that are asked, the most disputed first.
    order = np.argsort(np.where(sought, -decided.judged.disagreement[rows], np.inf), axis=1, kind="stable")
    strongest = order[:, :MOST_TERMS]
    for i, asked, first in zip(rows.tolist(), sought, strongest, strict=True):
        arrival = decided.arrivals[i]
        identity = query_id(asking.stream, arrival)
        names = list(compress(snapshot.outputs, asked.tolist()))
        query = Query(
            id=identity,
            arrival=arrival,
            product=decided.products[i],
            ask=names,
            chance=chances.product[i].item()
            if chances.outputs is None
            else dict(zip(names, chances.outputs[i, asked].tolist(), strict=True)),
            scores=_packed(decided.scores[i]),
            positive=list(compress(snapshot.outputs, decided.positive[i].tolist())),
            model=snapshot.version,
            policy=asking.policy.name,
            because=_because(decided, i, first[: len(names)], finished),
            priority=decided.judged.combined[i].item(),
            asked_at=decided.at,
            expires_at=decided.at + asking.expires,
        )
        yield Outgoing("queries", identity.encode(), encode(query))


def _dated(at: float) -> float | None:
    """The time, unless the feed has stamped its records with none."""
    return at if 946_684_800.0 <= at < 4_102_444_800.0 else None


def _because(decided: Decided, i: int, strongest: NDArray[np.intp], finished: list[str]) -> Because:
    judged, snapshot, asking = decided.judged, decided.snapshot, decided.asking
    assert judged.chances.scales is not None
    own = judged.chances.output_scales
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
    counts, sums = _counted(decided, list(by_partition.values()))
    for number, ((topic, partition), rows) in enumerate(by_partition.items()):
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
                for name, n, yes, no in zip(
                    snapshot.outputs, counts[number].tolist(), *sums[:, number].tolist(), strict=True
                )
            },
            signals=_signals(decided, rows, yardstick),
            at=decided.at,
        )
        yield Outgoing("tallies", f"{topic}/{partition}".encode(), encode(tally))


def _counted(decided: Decided, parts: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of each part of the arrivals: how many are positive (parts, K), and the mass above and below (2, parts, K)."""
    shape = (len(parts), decided.scores.shape[1])
    owners = np.empty(len(decided.scores), np.int64)
    for number, rows in enumerate(parts):
        owners[rows] = number
    counts, sums = np.zeros(shape, np.int64), np.zeros((2, *shape))
    _count(decided.scores, decided.positive, owners, counts, sums)
    return counts, sums


@compiled("f4[,]", "b1[,]", "i8[]", "i8[,]=", "f8[,,]=")
def _count(
    scores: NDArray[np.float32], positive: NDArray[np.bool_], owners: NDArray[np.int64], counts: NDArray[np.int64],
    sums: NDArray[np.float64],
) -> None:  # fmt: skip
    for i in range(scores.shape[0]):
        part = owners[i]
        for k in range(scores.shape[1]):
            counts[part, k] += positive[i, k]
            sums[0 if positive[i, k] else 1, part, k] += np.float64(scores[i, k])


def _signals(decided: Decided, rows: list[int], yardstick: Yardstick | None) -> Signals | None:
    """What was measured of some arrivals; None if nothing was."""
    if yardstick is None or decided.measured is None:
        return None
    measured = decided.measured[np.isin(decided.watched, rows)]
    return yardstick.told(measured) if len(measured) else None
