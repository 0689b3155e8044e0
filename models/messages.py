"""The messages: every type that crosses a topic, declared once; bounded decoding, encoding."""

from enum import StrEnum
from typing import Annotated, Final, TypeVar

import msgpack
import msgspec
from msgspec import Meta

from models.records import Record

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


class Malformed(Exception):
    """A record that cannot be taken in; `reason` is of the closed list, the text says what is wrong where."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


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
    """The terms of a chance: p = clip(floor + (1 - floor) * min(1, scale * combined), floor, 1)."""

    disagreement: dict[Name, float]
    combined: float
    floor: PositiveProbability
    scale: float
    threshold: dict[Name, Probability]


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
    outputs: dict[Name, OutputTally]
    at: Seconds


class SnapshotPart(Message, frozen=True, kw_only=True, omit_defaults=True):
    """One bounded part of a model's state (topic `snapshots`, key: version/part)."""

    version: Count
    part: Count
    parts: Annotated[int, Meta(ge=1, le=65_536)]
    base: Annotated[int, Meta(ge=-1, description="version this one is an increment of; -1 if full")] = -1
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
MAX_BYTES: Final = 1_000_000
PAYLOAD_KEPT: Final = 4_096

M = TypeVar("M", bound=Message)


def _unpack(value: bytes) -> object:
    # Every length in a MessagePack head is bounded by the bytes there are: a short bomb cannot ask for memory.
    n = len(value)
    return msgpack.unpackb(
        value,
        raw=False,
        strict_map_key=True,
        max_str_len=n,
        max_bin_len=n,
        max_array_len=n,
        max_map_len=n,
        max_ext_len=n,
    )


def is_json(value: bytes, content_type: str = "") -> bool:
    """Decide the format: by content type if it names one, else by the first byte that is not white space."""
    if "json" in content_type:
        return True
    if "msgpack" in content_type:
        return False
    return value.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"[", b'"')


def decode(kind: type[M], value: bytes, *, content_type: str = "", limit: int = MAX_BYTES) -> M:
    """Turn bytes into a message, or say why not.

    Args:
        kind: the message type to decode to.
        value: MessagePack map with string keys, or a JSON object.
        content_type: the record's content-type header; empty decides by the first byte.
        limit: most bytes looked at; more is refused undecoded.

    Raises:
        Malformed: too large, not decodable, wrong shape, or a value out of its range.

    """
    if len(value) > limit:
        raise Malformed(Reason.TOO_LARGE, f"{len(value)} bytes; at most {limit} are taken")
    json = is_json(value, content_type)
    try:
        raw = msgspec.json.decode(value.removeprefix(b"\xef\xbb\xbf")) if json else _unpack(value)
    except (
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
        msgpack.UnpackException,
        msgspec.DecodeError,
    ) as error:
        form = "JSON" if json else "MessagePack"
        raise Malformed(Reason.UNDECODABLE, f"not {form}: {error or type(error).__name__}") from None
    if not isinstance(raw, dict):
        raise Malformed(Reason.WRONG_SHAPE, f"a map with string keys is expected, not {type(raw).__name__}")
    try:
        return msgspec.convert(raw, kind, strict=True, builtin_types=() if json else (bytes,))
    except msgspec.ValidationError as error:
        ranged = any(word in str(error) for word in (">=", "<=", " > ", " < ", "length"))
        raise Malformed(Reason.OUT_OF_RANGE if ranged else Reason.WRONG_SHAPE, str(error)) from None
    except RecursionError:
        raise Malformed(Reason.UNDECODABLE, "nested too deeply") from None


def read(kind: type[M], record: Record, *, limit: int = MAX_BYTES) -> M:
    """Decode a record of the log; raises Malformed, also for a record without a value."""
    if record.value is None:
        raise Malformed(Reason.WRONG_SHAPE, "a value is expected, not null")
    return decode(kind, record.value, content_type=record.content_type, limit=limit)


def encode(message: Message) -> bytes:
    """Encode a message as a MessagePack map with string keys."""
    return _pack(msgspec.to_builtins(message, builtin_types=(bytes,)))


def _pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def reject(record: Record, error: Malformed) -> Rejection:
    """Make the rejection of a record; the payload is kept up to PAYLOAD_KEPT bytes."""
    return Rejection(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=error.reason,
        detail=str(error)[:1_000],
        payload=(record.value or b"")[:PAYLOAD_KEPT],
    )
