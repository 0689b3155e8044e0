"""Shipments cut into bounded parts with digests."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from models.coding import encode
from models.messages import SnapshotPart
from models.records import Outgoing

TOPIC: Final = "snapshots"


def sha256(data: bytes) -> str:
    """The digest of some bytes."""
    return hashlib.sha256(data).hexdigest()


def digest_of(learner: str, number: int, base: str, parts: Sequence[str]) -> str:
    """The digest of a shipment, by what it is, what it builds on and the digests of all its parts."""
    return sha256("\n".join((learner, str(number), base, *parts)).encode())


def cut(
    body: bytes, *, learner: str, number: int, version: int, base: str, part_bytes: int
) -> tuple[str, list[Outgoing]]:
    """The digest of a shipment and its records, the data of each of at most `part_bytes`."""
    pieces = [body[at : at + part_bytes] for at in range(0, len(body), part_bytes)]
    digests = [sha256(piece) for piece in pieces]
    digest = digest_of(learner, number, base, digests)
    records = []
    for place, (data, part_digest) in enumerate(zip(pieces, digests, strict=True)):
        part = SnapshotPart(
            learner=learner, number=number, version=version, part=place, parts=len(pieces), base=base,
            digest=digest, part_digest=part_digest, data=data,
        )  # fmt: skip
        records.append(Outgoing(TOPIC, f"{learner}/{number}/{place}".encode(), encode(part), partition=0))
    return digest, records


def withdrawn(keys: Sequence[bytes]) -> Iterator[Outgoing]:
    """Records that say that parts are no longer needed."""
    return (Outgoing(TOPIC, key, None, partition=0) for key in keys)
