"""The scoring half: products in; predictions, queries, rejections and tallies out, by the model it was last given.

Of the learner it knows a snapshot and its orders, whoever hands them over.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace

import structlog

from consumers.port import Consumer
from models.port import Serving
from models.records import Position, Record
from models.shipping import Orders
from models.watched import Yardstick
from producers.port import Producer
from service.deciding import Asking
from service.encoders import Encoders
from service.logs import scored as describe_scored
from service.metrics import Metrics
from service.room import room_for
from service.score import Scored, score

log = structlog.get_logger("scoring")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model that serves, and the orders that came with it."""

    snapshot: Serving
    orders: Orders
    yardstick: Yardstick | None  # for drift; None if nobody watches
    max_bytes: int  # of a product, so that its query fits into a record


@dataclass(slots=True, kw_only=True)
class ScoringHalf:
    """What scoring holds between two batches. One thread owns it."""

    asking: Asking  # as configured; the orders change it
    watch: bool  # for drift
    encoders: Encoders
    metrics: Metrics
    ahead: Executor | None = None  # where a batch is published while the next is read and scored; None waits
    batch: int  # most products taken at once
    wait: float  # seconds, for the first of them
    max_bytes: int  # of a product, at most
    served: Served | None = None  # nothing is scored before there is a model
    scale: float | None = None  # of the budget, after the last arrival published
    output_scales: Mapping[str, float] = field(default_factory=dict)  # of outputs with a share of their own, then
    publishing: tuple[Scored, Future[float]] | None = None  # a batch that is being published: seconds, or why not


def serve(half: ScoringHalf, snapshot: Serving, orders: Orders) -> None:
    """Let this model serve from the next batch on."""
    before = half.served
    if before is None or snapshot is not before.snapshot or orders.made_at != before.orders.made_at:
        half.metrics.serving(snapshot.version, orders.made_at)
    yardstick = _yardstick(before, snapshot, orders) if half.watch else None
    if before is None or before.snapshot.outputs != snapshot.outputs:
        half.metrics.name(snapshot.outputs)
        max_bytes = room_for(snapshot.outputs, half.max_bytes)
    else:
        max_bytes = before.max_bytes
    half.served = Served(snapshot=snapshot, orders=orders, yardstick=yardstick, max_bytes=max_bytes)
    if half.scale is None:
        half.scale, half.output_scales = orders.scale, orders.output_scales


def _yardstick(before: Served | None, snapshot: Serving, orders: Orders) -> Yardstick:
    """Measure on by what stands still, unless told otherwise or it is far behind or reads products in another way."""
    if before is None or before.yardstick is None or orders.yardstick:
        return Yardstick.of(snapshot)
    still = before.yardstick.snapshot
    alike = (still.bits, still.outputs, before.orders.encoder) == (snapshot.bits, snapshot.outputs, orders.encoder)
    return before.yardstick if alike and not before.yardstick.worn(snapshot) else Yardstick.of(snapshot)


def asking_now(asking: Asking, orders: Orders) -> Asking:
    """The rule as configured, under orders."""
    return replace(asking.raised(orders.factor), share=orders.share, finished=frozenset(orders.finished))


def score_turn(half: ScoringHalf, products: Consumer, producer: Producer) -> None:
    """Products in; what came of them and the place after them out, together. Nothing while there is no model.

    With `ahead` that is still under way when this returns, so two batches at most are in memory: the next turn, or
    `settle`, tells how it ended. What is not published is read and scored again by whoever opens the log next.
    """
    served = half.served
    if served is None or half.scale is None:
        return
    records = products.poll(half.batch, half.wait)
    if not records:
        settle(half)
        return
    past = products.position()
    scored = _score(half, served, records)
    settle(half)
    if half.ahead is None:
        _published(half, scored, _publish(producer, scored, past))
    else:
        half.publishing = (scored, half.ahead.submit(_publish, producer, scored, past))


def settle(half: ScoringHalf) -> None:
    """Wait for the publish that is under way, if one is; raises what it raised."""
    if half.publishing is not None:
        (scored, publishing), half.publishing = half.publishing, None
        _published(half, scored, publishing.result())


def _score(half: ScoringHalf, served: Served, records: Sequence[Record]) -> Scored:
    """Score what comes after the batch under way, or after what was published last."""
    assert half.scale is not None
    before = half.publishing and half.publishing[0]
    return score(
        records,
        served.snapshot,
        asking_now(half.asking, served.orders),
        scale=half.scale if before is None else before.scale,
        limit=served.max_bytes,
        now=time.time(),
        clock=time.perf_counter,
        yardstick=served.yardstick,
        encoder=half.encoders.of(served.orders.encoder),
        output_scales=half.output_scales if before is None else before.output_scales,
    )


def _publish(producer: Producer, scored: Scored, past: Position) -> float:
    """Publish it, and return how long that took."""
    began = time.perf_counter()
    producer.publish(scored.outgoing, past=past)
    return time.perf_counter() - began


def _published(half: ScoringHalf, scored: Scored, seconds: float) -> None:
    half.scale, half.output_scales = scored.scale, scored.output_scales
    half.metrics.scored(scored)
    half.metrics.embeddings(*half.encoders.counts())
    half.metrics.published("score", seconds)
    log.info("scored", **describe_scored(scored))
