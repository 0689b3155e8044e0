"""The messages: every type that crosses a topic, declared once."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(max_length=65_536)]
Name = Annotated[str, Meta(min_length=1, max_length=512)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
PositiveProbability = Annotated[float, Meta(gt=0.0, le=1.0)]
Seconds = Annotated[float, Meta(description="seconds since 1970-01-01T00:00:00Z", ge=946_684_800.0, lt=4_102_444_800.0)]
Count = Annotated[int, Meta(ge=0)]
Answer = bool | None


class Reason(StrEnum):
    """Why a record was turned away: the closed list."""

    TOO_LARGE = "too_large"
    UNDECODABLE = "undecodable"
    WRONG_SHAPE = "wrong_shape"
    OUT_OF_RANGE = "out_of_range"


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all messages share: frozen, by name, unknown fields out of the way."""


class Product(Message, frozen=True, kw_only=True, omit_defaults=True):
    """One record of the feed (topic `products`, key: the product's id)."""

    id: Name
    title: Text
    feed: Text | None = None
    description: Text | None = None
    brand: Text | None = None
    price: Annotated[float, Meta(ge=0.0, le=1e15)] | None = None  # the upper bound keeps infinity out
    currency: Annotated[str, Meta(max_length=16)] | None = None
    attributes: Annotated[dict[Name, Text], Meta(max_length=256)] = msgspec.field(default_factory=dict)
    image: bytes | None = None
    at: Seconds | None = None


class Prediction(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What was said of one arrival (topic `predictions`, key: the product's id)."""

    product: Name
    arrival: Name
    model: Count
    policy: Name
    scores: Annotated[bytes, Meta(description="float32, little endian, one per output in the model's order")]
    positive: dict[Name, Probability]
    chance: PositiveProbability
    draw: Annotated[float, Meta(ge=0.0, lt=1.0)]
    asked: bool
    at: Seconds


class Because(Message, frozen=True, kw_only=True, omit_defaults=True):
    """The terms of a chance: p = clip(floor + (1 - floor) * min(1, scale * combined), floor, 1).

    Of an output that is asked by itself: with its disagreement for `combined`, and its own scale if it has one.
    """

    disagreement: dict[Name, float]
    combined: float
    floor: PositiveProbability
    scale: float
    threshold: dict[Name, Probability]
    share: PositiveProbability | None = None  # of arrivals that was to be asked about then
    draw: Annotated[float, Meta(ge=0.0, lt=1.0)] | None = None  # below the floor the query is one of a uniform sample
    finished: list[Name] = msgspec.field(default_factory=list)  # outputs that no longer count in `combined`
    output_scales: dict[Name, float] = msgspec.field(default_factory=dict)  # of outputs with a share of their own


class Query(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A request to label one arrival (topic `queries`, key: the query's id)."""

    id: Name
    arrival: Name
    product: Product
    ask: list[Name]
    chance: dict[Name, PositiveProbability] | PositiveProbability
    scores: bytes
    positive: list[Name] = msgspec.field(default_factory=list)
    model: Count
    policy: Name
    because: Because
    priority: float
    asked_at: Seconds
    expires_at: Seconds


class Label(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What one annotator said to one query (topic `labels`, key: the query's id)."""

    query: Name
    annotator: Name
    answers: Annotated[dict[Name, Answer], Meta(max_length=16_384)] = msgspec.field(default_factory=dict)
    skipped: bool = False
    deleted: bool = False
    at: Seconds | None = None


class Rejection(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A record that was turned away (topic `rejections`, key: the source's key)."""

    topic: Name
    partition: Count
    offset: Count
    reason: Reason
    detail: Text
    payload: bytes


class OutputTally(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Sums over all arrivals of one batch for one output."""

    positive: Count
    mass_positive: Annotated[float, Meta(ge=0.0, description="sum of scores of those decided positive")]
    mass_negative: Annotated[float, Meta(ge=0.0, description="sum of scores of the others")]
    scale: (
        Annotated[float, Meta(gt=0.0, description="its scale after this batch, if it has a share of its own")] | None
    ) = None


class Signals(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What is watched for drift, over blocks of arrivals that follow each other, asked about or not."""

    yardstick: Annotated[int, Meta(ge=0, description="version of the model that measured them all")]
    outputs: list[Name]
    blocks: Annotated[
        bytes,
        Meta(
            description="float32, little endian; of each block the arrivals, then the sums over them of 16 projections,"
            " the share of unknown features, the disagreement, and the score of each of the outputs"
        ),
    ]


class Tally(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Counts over one scored batch of one partition, asked or not (topic `tallies`, key: the source partition)."""

    topic: Name
    partition: Count
    first: Count
    last: Count
    model: Count
    policy: Name
    n: Count
    asked: Count
    chance: Annotated[float, Meta(ge=0.0, description="sum of the chances")]
    scale: Annotated[float, Meta(gt=0.0, description="the budget's scale after this batch")]
    spent: Annotated[float, Meta(ge=0.0)] | None = None  # labels expected, in products; as `chance` if left out
    newest: Seconds | None = None  # time in the log of the newest arrival, if the log has one
    outputs: dict[Name, OutputTally]
    signals: Signals | None = None
    at: Seconds


class SnapshotPart(Message, frozen=True, kw_only=True, omit_defaults=True):
    """One bounded part of a shipment of the model (topic `snapshots`, key: its place there)."""

    learner: Annotated[str, Meta(min_length=16, max_length=16, description="of one life of the learner")]
    number: Annotated[int, Meta(ge=0, description="of the shipment, in that life")]
    version: Annotated[int, Meta(ge=0, description="of the model shipped")]
    part: Count
    parts: Annotated[int, Meta(ge=1, le=65_536)]
    base: Annotated[str, Meta(max_length=64, description="digest of what this is an increment on; empty if full")] = ""
    digest: Annotated[str, Meta(min_length=64, max_length=64, description="SHA-256 of the whole, hexadecimal")]
    part_digest: Annotated[str, Meta(min_length=64, max_length=64, description="SHA-256 of this part's data")]
    data: bytes


TOPICS: Final[dict[str, type[Message]]] = {
    "products": Product,
    "predictions": Prediction,
    "queries": Query,
    "labels": Label,
    "rejections": Rejection,
    "tallies": Tally,
    "snapshots": SnapshotPart,
}

INBOUND: Final = ("products", "labels")
