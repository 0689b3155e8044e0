"""The model on its way from the learner to scorers: a full one now and then, and what changed in between."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from models import changes, river_shipping
from models.arrivals import Arrivals, Ignored, Unfit
from models.bodies import Arrays, Body, Orders, Ours, Rivers, arrays_of, blocks_of, packed, unpacked
from models.parts import cut, sha256, withdrawn
from models.port import Serving
from models.rebuilding import Built, built
from models.records import Outgoing, Record
from models.river_learner import RiverSnapshot
from models.snapshot import Snapshot

__all__ = ["Ignored", "Orders", "Received", "Receiver", "Shipper"]

MOST_PART: Final = 1_900_000  # bytes of data in one record
_BESIDES: Final = 1_500  # bytes of a shipment that are not in arrays


class Shipper:
    """The learner's side: shipments, each as its records for the topic `snapshots`.

    Publish the records of one shipment all at once, in their order. Parts of a full one have the places from 0 on as
    keys, those of increments the next: the topic holds the newest full one and the increments on it, together about
    twice the size of the model at most, however often the learner begins anew. One thread.
    """

    def __init__(self, *, part_bytes: int = 900_000, full_every: int = 64) -> None:
        """Begin a new life of the learner; the first shipment is a full one.

        Args:
            part_bytes: data of one record, at most.
            full_every: increments after which a full one is due, even if they are small.

        Raises:
            ValueError: parts would be larger than records may be.

        """
        if not 1 <= part_bytes <= MOST_PART:
            raise ValueError(f"parts of {part_bytes} bytes: between 1 and {MOST_PART} are expected")
        self._part_bytes, self._full_every = part_bytes, full_every
        self._learner, self._number = "", 0
        self._marked: int | None = None  # the last shipment that said `yardstick`
        self._last: Serving | None = None  # what was shipped last, and its digest
        self._digest = ""
        self._full = self._since = self._increments = 0  # bytes of the last full one, of the increments since, how many
        self._places = self._used = self._ever = 0  # places of the last ones, that may hold something, ever used

    def doubt(self) -> None:
        """Say that the last shipment may not have been published: the next is a full one."""
        self._last, self._used = None, self._ever

    def ship(self, snapshot: Serving, orders: Orders) -> list[Outgoing]:
        """The records to be published now, in their order: parts, then withdrawals of parts no longer needed.

        Raises:
            TypeError: the snapshot is of a kind that cannot be shipped.

        """
        body = self._increment(snapshot, orders)
        full = body is None
        if body is None:
            model, arrays = _told(snapshot)
            body = Body(orders=orders, model=model, outputs=snapshot.outputs, blocks=blocks_of(arrays))
            self._full, self._since, self._increments = _size(arrays), 0, 0
        self._marked = self._number if orders.yardstick else self._marked
        data = packed(msgspec.structs.replace(body, marked=self._marked))
        self._learner = self._learner or sha256(data)[:16]
        first = 0 if full else self._places
        self._digest, records = cut(
            data,
            learner=self._learner,
            number=self._number,
            version=snapshot.version,
            base="" if full else self._digest,
            part_bytes=self._part_bytes,
            first=first,
        )
        self._last, self._number, self._places = snapshot, self._number + 1, first + len(records)
        gone = withdrawn(self._places, self._used) if full else []
        self._used = self._places if full else max(self._used, self._places)
        self._ever = max(self._ever, self._places)
        return [*records, *gone]

    def _increment(self, snapshot: Serving, orders: Orders) -> Body | None:
        """The body of an increment; None if a full one is due."""
        if self._last is None or self._increments >= self._full_every:
            return None
        if snapshot is self._last:
            self._since, self._increments = self._since + _BESIDES, self._increments + 1
            return Body(orders=orders)
        if not isinstance(snapshot, Snapshot) or not isinstance(self._last, Snapshot):
            return None
        if not changes.follows(self._last, snapshot):
            return None
        model, arrays = changes.told(snapshot, self._last)
        if self._since + _size(arrays) > self._full:
            return None
        self._since, self._increments = self._since + _size(arrays), self._increments + 1
        return Body(orders=orders, model=model, blocks=blocks_of(arrays))


def _told(snapshot: Serving) -> tuple[Ours | Rivers, Arrays]:
    if isinstance(snapshot, Snapshot):
        return changes.told(snapshot)
    if isinstance(snapshot, RiverSnapshot):
        return river_shipping.told(snapshot)
    raise TypeError(f"{type(snapshot).__name__} cannot be shipped")


def _size(arrays: Arrays) -> int:
    return _BESIDES + sum(array.nbytes for array in arrays.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A model to serve from, and what the learner wants of the one who serves it."""

    snapshot: Serving
    orders: Orders


class Receiver:
    """A scorer's side: records of the topic `snapshots` in, the newest complete model out.

    What it hands out never changes. Records may be missing, repeated, damaged, or of another life of the learner: then
    it stays with the model it has until a shipment comes that can be built. One thread.
    """

    def __init__(self, *, device: str = "cpu", roots: Collection[str] = (), most_bytes: int = 2**30) -> None:
        """Begin with nothing.

        Args:
            device: where the network of the snapshots works.
            roots: top-level packages, besides river and numpy, whose classes a model of river may hold.
            most_bytes: of parts that wait for others; of more, the oldest shipments are dropped.

        """
        self._device, self._roots = device, roots
        self._arrivals = Arrivals(most_bytes)
        self._received: Received | None = None
        self._built: Built | None = None  # None for a model of river
        self._digest = ""
        self._marked: tuple[str, int] | None = None  # the last shipment that said `yardstick`

    @property
    def ignored(self) -> Mapping[Ignored, int]:
        """Parts and shipments that were not taken, by reason, since the beginning."""
        return self._arrivals.ignored

    def take(self, records: Sequence[Record]) -> Received | None:
        """The newest complete model that these and earlier records make; None if that is the same as before.

        Its orders say `yardstick` too where those of one that was passed over on the way here did.
        """
        for record in records:
            self._arrivals.add(record)
        before, marked = self._received, self._marked
        while (found := self._arrivals.next(self._digest)) is not None:
            try:
                body = unpacked(found.body())
                self._build(body, full=not found.base)
            except Unfit:
                self._arrivals.drop(found, Ignored.DAMAGED)
            except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError):
                self._arrivals.drop(found, Ignored.UNREADABLE)
            else:
                self._digest = found.digest
                self._arrivals.taken(found)
                self._marked = (found.learner, body.marked) if body.marked is not None else None
        if self._received is None or self._received is before:
            return None
        yardstick = self._marked is not None and self._marked != marked
        return replace(self._received, orders=replace(self._received.orders, yardstick=yardstick))

    def _build(self, body: Body, *, full: bool) -> None:
        """Make what a shipment says; on ValueError and the like all is as it was."""
        held = None if full else self._received
        outputs = body.outputs if held is None else held.snapshot.outputs
        arrays = arrays_of(body.blocks)
        made: Serving | None = None if held is None else held.snapshot
        if isinstance(body.model, Ours) and outputs is not None:
            self._built = built(body.model, outputs, arrays, None if full else self._built, self._device)
            made = self._built.snapshot
        elif isinstance(body.model, Rivers) and outputs is not None:
            made, self._built = river_shipping.built(body.model, outputs, arrays, self._roots), None
        if made is None:
            raise ValueError("a full shipment without a model")
        self._received = Received(snapshot=made, orders=body.orders)
