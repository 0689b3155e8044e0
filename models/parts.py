"""Shipments cut into bounded parts with digests."""

import hashlib
from collections.abc import Sequence
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
    body: bytes, *, learner: str, number: int, version: int, base: str, part_bytes: int, first: int
) -> tuple[str, list[Outgoing]]:
    """The digest of a shipment and its records.

    Args:
        body: what it says.
        learner: by which life of the learner.
        number: of the shipment in that life.
        version: of the model.
        base: digest of the shipment it builds on; empty if full.
        part_bytes: data of one part, at most.
        first: place on the topic of the first part; the others follow.

    """
    pieces = [body[at : at + part_bytes] for at in range(0, len(body), part_bytes)]
    digests = [sha256(piece) for piece in pieces]
    digest = digest_of(learner, number, base, digests)
    records = []
    for place, (data, part_digest) in enumerate(zip(pieces, digests, strict=True)):
        part = SnapshotPart(
            learner=learner, number=number, version=version, part=place, parts=len(pieces), base=base,
            digest=digest, part_digest=part_digest, data=data,
        )  # fmt: skip
        records.append(Outgoing(TOPIC, key_of(first + place), encode(part), partition=0))
    return digest, records


def withdrawn(first: int, end: int) -> list[Outgoing]:
    """Records that say that what was at these places of the topic is no longer needed."""
    return [Outgoing(TOPIC, key_of(place), None, partition=0) for place in range(first, end)]


def key_of(place: int) -> bytes:
    """The key of a place on the topic; what is put there later takes the place of what was there."""
    return str(place).encode()
