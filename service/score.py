"""The scoring step: records of products in, predictions, queries, rejections and tallies out."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.chance import draws
from models.coding import Malformed, read
from models.embeddings import UNENCODED, Encoder
from models.embeddings import read as as_features
from models.features import Features
from models.messages import Product, Reason
from models.port import Serving
from models.records import Outgoing, Record
from models.view import View
from models.watched import Yardstick, sample
from service.deciding import Asking, Judged
from service.decisions import Decided, predictions, queries, rejected, tallies

STAGES: Final = ("decode", "featurise", "classify", "watch", "decide", "encode")
MOST_SCORES: Final = 400_000  # of one part of a batch: what members say of it is several times as much


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """All that happened to one batch of products."""

    outgoing: tuple[Outgoing, ...]
    arrivals: int
    asked: int
    rejected: Mapping[tuple[str, Reason], int]  # by topic and reason
    chances: NDArray[np.float64]  # (arrivals,), each in [p_min, 1]
    positives: Mapping[str, int]  # by output, decided positive in this batch
    model: int
    policy: str
    target: float  # share of arrivals wanted
    scale: float  # the budget's scale after this batch
    output_scales: Mapping[str, float]  # of outputs with a share of their own
    seconds: Mapping[str, float]  # by stage: decode, featurise, classify, watch, decide, encode


def score(
    records: Sequence[Record],
    snapshot: Serving,
    asking: Asking,
    *,
    scale: float,
    limit: int,
    now: float,
    clock: Callable[[], float],
    yardstick: Yardstick | None = None,
    encoder: Encoder = UNENCODED,
    output_scales: Mapping[str, float] | None = None,
) -> Scored:
    """Score products and decide which to ask about.

    Args:
        records: of the topic `products`, in log order within each partition.
        snapshot: the model that serves; scores, chances and thresholds come from it alone.
        asking: how chances are made.
        scale: the budget's scale after the arrivals before these.
        limit: largest payload decoded, in bytes.
        now: seconds since the epoch.
        clock: monotonic seconds, for the timings.
        yardstick: measures what is watched for drift; None watches nothing.
        encoder: the one the snapshot has learnt with.
        output_scales: of outputs with a share of their own, after the arrivals before these; `scale` for one not there.

    """
    laps = _Laps(clock)
    products, places, rejections = _decode(records, limit)
    laps.end("decode")
    features = as_features(products, encoder, bits=snapshot.bits)
    laps.end("featurise")
    scores, measured, parts, watched, first = [], [], [], sample(len(products)), 0
    for part in _parts(features, len(snapshot.outputs)):
        view = View.of(part, snapshot)
        scores.append(view.scores)  # (n, K)
        laps.end("classify")
        if yardstick is not None:
            within = watched[(watched >= first) & (watched < first + len(part))] - first
            measured.append(yardstick.measure(view.take(within)))
            first += len(part)
        laps.end("watch")
        parts.append(asking.judge(view, scale, output_scales))
        scale, output_scales = parts[-1].scale, parts[-1].output_scales
        laps.end("decide")
    served, judged = np.concatenate(scores), Judged.concatenate(parts)
    arrivals = [place.arrival for place in places]
    drawn = draws(asking.key, asking.stream, arrivals)
    decided = Decided(
        products=products,
        places=places,
        arrivals=arrivals,
        snapshot=snapshot,
        asking=asking,
        at=now,
        scores=served,
        positive=served >= snapshot.thresholds,
        judged=judged,
        draws=drawn,
        asked=judged.chances.asked(drawn),
        watched=watched,
        measured=np.concatenate(measured) if measured else None,
    )
    laps.end("decide")
    outgoing = [
        *(rejected(record, error) for record, error in rejections),
        *predictions(decided),
        *queries(decided),
        *tallies(decided, yardstick),
    ]
    laps.end("encode")
    return Scored(
        outgoing=tuple(outgoing),
        arrivals=len(products),
        asked=int(decided.asked.sum()),
        rejected=Counter((record.topic, error.reason) for record, error in rejections),
        chances=judged.chances.product,
        positives=dict(zip(snapshot.outputs, decided.positive.sum(axis=0).tolist(), strict=True)),
        model=snapshot.version,
        policy=asking.policy.name,
        target=asking.share_now(snapshot.outputs),
        scale=judged.scale,
        output_scales=judged.output_scales,
        seconds=laps.seconds,
    )


class _Laps:
    """What each stage has taken so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._clock, self._last = clock, clock()

    def end(self, stage: str) -> None:
        """Count all since the last stage ended for this one."""
        now = self._clock()
        self.seconds[stage] += now - self._last
        self._last = now


def _parts(features: Features, outputs: int) -> Iterator[Features]:
    """The arrivals in parts of bounded size, in order; one without any if there are none."""
    size = max(1, MOST_SCORES // max(1, outputs))
    if len(features) <= size:
        yield features
        return
    for first in range(0, len(features), size):
        yield features.take(np.arange(first, min(len(features), first + size)))


def _decode(
    records: Sequence[Record], limit: int
) -> tuple[list[Product], list[Record], list[tuple[Record, Malformed]]]:
    products, places, rejections = [], [], []
    for record in records:
        try:
            products.append(read(Product, record, limit=limit))
            places.append(record)
        except Malformed as error:
            rejections.append((record, error))
    return products, places, rejections
