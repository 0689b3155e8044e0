"""What one shipment of the model says, as bytes: orders to scorers, plain figures, named arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from models.messages import Count, Name, PositiveProbability

FORMAT: Final = 1  # another one whenever the same bytes would make another snapshot

Arrays = Mapping[str, NDArray[Any]]
Positive = Annotated[float, Meta(gt=0.0)]
Bits = Annotated[int, Meta(ge=1, le=24)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the learner wants of scorers; it comes with each snapshot."""

    share: PositiveProbability  # of arrivals to ask about
    factor: Positive  # on share and least chance during a reaction to drift; 1 otherwise
    finished: tuple[str, ...]  # outputs nothing is asked for
    scale: Positive  # the budget's scale to start from
    output_scales: dict[Name, Positive] = field(default_factory=dict)  # of outputs with a share of their own, likewise
    yardstick: bool  # measure drift by this snapshot from now on
    encoder: str  # name#digest of the encoder the model has learnt with; "" for none
    made_at: float  # seconds since the epoch


class Ours(msgspec.Struct, frozen=True, kw_only=True, tag="askance"):
    """The figures of a snapshot of our own model."""

    version: Count
    bits: Bits
    rows: Count
    answered: Annotated[float, Meta(ge=0.0)] | None
    cost: float
    names_pace: float
    encoder_scale: float
    sketch: Count
    mix: float
    spread: float
    even: float


class Rivers(msgspec.Struct, frozen=True, kw_only=True, tag="river"):
    """The figures of a snapshot of river's classifiers."""

    version: Count
    bits: Bits


class Block(msgspec.Struct, frozen=True, array_like=True):
    """An array, little endian."""

    kind: Literal["<f4", "<f8", "<i4", "<i8", "|u1"]
    shape: Annotated[list[Count], Meta(max_length=4)]
    data: memoryview


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One shipment; what it does not say is as in the one it builds on."""

    format: Literal[1] = FORMAT
    orders: Orders
    model: Ours | Rivers | None = None  # None: the very snapshot it builds on
    outputs: tuple[Name, ...] | None = None
    marked: Count | None = None  # number of the last shipment of this life that said `yardstick`
    blocks: dict[str, Block] = msgspec.field(default_factory=dict)


def packed(body: Body) -> bytes:
    """The body as bytes."""
    return msgspec.msgpack.encode(body)


def unpacked(data: bytes) -> Body:
    """Read what `packed` wrote.

    Raises:
        ValueError: it is no body of this format.

    """
    try:
        return msgspec.msgpack.decode(data, type=Body)
    except msgspec.DecodeError as error:
        raise ValueError(f"no shipment of this format: {error}") from error


def blocks_of(arrays: Arrays) -> dict[str, Block]:
    """The arrays, to be packed."""
    return {name: _block(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _block(array: NDArray[Any]) -> Block:
    shape = list(array.shape)
    return Block(array.dtype.newbyteorder("<").str, shape, array.reshape(-1).view(np.uint8).data)  # type: ignore[arg-type]


def arrays_of(blocks: Mapping[str, Block]) -> dict[str, NDArray[Any]]:
    """The arrays again, as views of the bytes they came in.

    Raises:
        ValueError: a block has not the bytes that its shape takes.

    """
    return {name: np.frombuffer(b.data, b.kind).reshape(b.shape) for name, b in blocks.items()}
