"""Messages as bytes: bounded decoding of MessagePack and JSON, encoding."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

import msgpack
import msgspec

from models.messages import Message, Reason, Rejection
from models.records import Record

MAX_BYTES: Final = 1_000_000
PAYLOAD_KEPT: Final = 4_096
_MARK: Final = b"\xef\xbb\xbf"  # that some programs put before JSON

M = TypeVar("M", bound=Message)


class Malformed(Exception):
    """A record that cannot be taken in; `reason` is of the closed list, the text says what is wrong where."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


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
        message: M = _decoder(kind, json)(value.removeprefix(_MARK) if json else value)
    except (msgspec.MsgspecError, ValueError, RecursionError, MemoryError):
        return _decode_slowly(kind, value, json)
    return message


@cache
def _decoder(kind: type[Message], json: bool) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind).decode if json else msgspec.msgpack.Decoder(kind).decode


def _decode_slowly(kind: type[M], value: bytes, json: bool) -> M:
    """In two steps, so as to tell bytes that are no map from a map that is no message."""
    try:
        raw = msgspec.json.decode(value.removeprefix(_MARK)) if json else _unpack(value)
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
    return msgspec.msgpack.encode(message)


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
