"""Reading from Kafka: as a member of a group, or at offsets of one's own."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from types import MappingProxyType
from typing import Any, Final

from kafka import ConsumerGroupMetadata, KafkaConsumer, TopicPartition

from consumers.client import Taken, is_to_join, keep_join, record_of, settings, staying, wait_wholly
from consumers.offsets import IDLE, going_on
from consumers.port import LogRefused, LogUnavailable
from consumers.succession import succeed
from models.records import Position, Record
from producers.connection import Connection, Watchdog, abandon, faults, made

CLOSING: Final = 3.0
"""Seconds that a client gets to leave in peace."""


class KafkaReader:
    """Reads topics as a member of a group, or, with `start`, all their partitions from a position of its own.

    A member shares the partitions with the other members. Its position bears its membership as it was right after the
    last poll; a publish past it fails once the group has moved on without this member. It may be under way while the
    next poll is made: where the group is about to move, that poll returns nothing and moves nothing.
    Own offsets leave the group's past to lag displays; partitions that are added are found within a minute.
    After a LogUnavailable, close it and open another.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        topics: Sequence[str],
        group: str,
        start: Position | None = None,
        instance: str | None = None,
        session: float = 45.0,
        max_interval: float = 120.0,
        idle: float = IDLE,
    ) -> None:
        """Open a consumer; `instance` makes the membership static, `max_interval` is the longest time between polls.

        Raises:
            LogUnavailable: no broker answers within the connection's patience.
            LogRefused: a setting, the login or the rights are wrong; or as `seek` does for `start`.

        """
        self._connection = connection
        self._topics = {connection.prefix + topic: topic for topic in topics}
        self._group = group
        self._member = start is None
        self._membership = ConsumerGroupMetadata(group)
        self._taken = Taken()
        self._next: dict[TopicPartition, int] = {}
        self._epochs: dict[TopicPartition, int] = {}
        self._unclaimed: set[TopicPartition] = set()  # polled since the last `position`
        self._handed_out = False  # a position past records, since the last poll
        self._unsure = False  # whether others have read on, since the membership changed
        self._stood: dict[TopicPartition, int] = {}  # where it was at the last silence
        self._idle = idle
        self._heard = self._looked = time.monotonic()
        made_with = connection.settings()
        connection.reach()
        made_with |= settings(
            group=group,
            instance=instance,
            patience=connection.patience,
            session=session,
            max_interval=max_interval,
            idle=idle,
        )
        self._watchdog = Watchdog(f"{connection.client}-reader")
        self._consumer: Any = None
        try:
            with faults(f"opening a reader of {', '.join(self._topics)}"):
                places = self._watchdog.call(lambda: self._open(made_with), connection.patience * 1.5)
                if self._member:
                    if instance is not None:
                        succeed(connection, group=group, instance=instance, places=places)
                    self._join()
            if start is not None:
                self._go_on(start)
        except BaseException:
            self.close()
            raise

    def _open(self, made_with: dict[str, Any]) -> list[tuple[str, int]]:
        self._consumer = made(KafkaConsumer, made_with)
        wait_wholly(self._consumer)
        # Known before joining: the client may miss an update that it asks for while another is under way, and
        # then shares out no partitions at all for a minute.
        return [(topic, part) for topic in self._topics for part in self._consumer.partitions_for_topic(topic)]

    def _join(self) -> None:
        self._consumer.subscribe(list(self._topics), listener=self._taken)

    def _ask(self, doing: str, function: Any) -> Any:
        if self._consumer is None:
            raise LogUnavailable("this reader is closed")
        with faults(doing):
            return self._watchdog.call(function, self._connection.patience)

    def poll(self, limit: int, timeout: float) -> list[Record]:
        if self._consumer is None:
            raise LogUnavailable("this reader is closed")
        if not self._member and time.monotonic() - self._looked > self._idle:
            self._discover()
        with faults("a poll"):
            batch = self._watchdog.call(
                lambda: self._poll(limit, int(timeout * 1_000)), timeout + self._connection.patience
            )
        records = [record_of(self._topics[place.topic], record) for place, part in batch.items() for record in part]
        if records:
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > self._idle:
            self._check_silence()
        return records

    def _poll(self, limit: int, timeout: int) -> dict[Any, Any]:
        handed_out, self._handed_out = self._handed_out, False
        if self._member:
            if handed_out and is_to_join(self._consumer):
                return {}  # what is published past that position still counts; the next poll joins
            keep_join(self._consumer)
        with staying(self._consumer) if handed_out else nullcontext():
            batch: dict[TopicPartition, list[Any]] = self._consumer.poll(timeout_ms=timeout, max_records=limit)
        if self._member:
            # Taken at once: later it may be of a membership that did not see these records.
            before, self._membership = self._membership, self._consumer.group_metadata()
            taken, self._taken.places = self._taken.places, set()
            if taken & self._unclaimed:
                raise RuntimeError("partitions went to another member between polling and publishing")
            if self._membership.generation_id < 0 or not self._membership.member_id:
                self._next = {}
                return {}  # the group went on without us; the next poll joins again, at the group's past
            self._unsure = self._unsure or self._membership != before
            if self._unsure and batch:
                self._check_past(batch)
                self._unsure = False
        # The client's positions, since they lie beyond the marks that end transactions.
        positions = {place: self._consumer.position(place, 1_000) for place in self._consumer.assignment()}
        self._next = {place: at for place, at in positions.items() if at is not None}
        for place, records in batch.items():
            self._epochs[place] = records[-1].leader_epoch
            self._unclaimed.add(place)
        return batch

    def _check_past(self, batch: Mapping[TopicPartition, list[Any]]) -> None:
        """Raise if others have read on: the client keeps its places in partitions that it loses and gets back."""
        for place in self._consumer.assignment():
            at = batch[place][0].offset if place in batch else self._consumer.position(place, 1_000)
            past = self._consumer.committed(place, timeout_ms=int(self._connection.patience * 500))
            if at is not None and past is not None and past > at:
                raise RuntimeError(f"others have read {place.topic}/{place.partition} on from {at} to {past}")

    def position(self) -> Position:
        self._handed_out = self._handed_out or bool(self._unclaimed)
        self._unclaimed.clear()
        membership = (self._membership, self._named(self._epochs)) if self._member else None
        return Position(group=self._group, offsets=MappingProxyType(self._named(self._next)), membership=membership)

    def _named(self, values: Mapping[TopicPartition, int]) -> dict[tuple[str, int], int]:
        return {(self._topics[place.topic], place.partition): value for place, value in values.items()}

    def seek(self, position: Position) -> None:
        if self._member:
            raise LogRefused(f"a member of {self._group!r} goes on where the group stands: open with `start` to seek")
        self._go_on(position)

    def _go_on(self, position: Position) -> None:
        self._ask("looking for partitions", self._assign_all)
        places = list(self._next)
        first, end = self._ask(
            "asking for offsets",
            lambda: (self._consumer.beginning_offsets(places), self._consumer.end_offsets(places)),
        )
        for place in places:
            name = (self._topics[place.topic], place.partition)
            at = going_on(*name, at=position.offsets.get(name, 0), first=first[place], end=end[place])
            self._next[place] = at
            self._consumer.seek(place, at)

    def _assign_all(self) -> None:
        """Assign every partition there is; those already known keep their place."""
        places = [
            TopicPartition(topic, partition)
            for topic in self._topics
            for partition in sorted(self._consumer.partitions_for_topic(topic))
        ]
        if set(places) != self._consumer.assignment():
            self._consumer.assign(places)
            self._next = {place: self._next.get(place, 0) for place in places}

    def _discover(self) -> None:
        self._looked = time.monotonic()
        known = len(self._next)
        position = self.position()
        self._ask("looking for partitions", self._assign_all)
        if len(self._next) != known:
            self._go_on(position)

    def _check_silence(self) -> None:
        """Raise LogUnavailable if the brokers do not answer, or have had more since the last time."""
        self._heard = time.monotonic()
        ends = self._ask("asking for offsets", lambda: self._consumer.end_offsets(list(self._consumer.assignment())))
        for place, end in ends.items():
            if self._next.get(place, end) < end and self._next[place] == self._stood.get(place):
                raise LogUnavailable(
                    f"{place.topic}/{place.partition} is not read on from {self._next[place]} to {end}"
                )
        self._stood = dict(self._next)

    def committed(self) -> Position:
        def ask() -> dict[TopicPartition, int | None]:
            places = [TopicPartition(t, p) for t in self._topics for p in self._consumer.partitions_for_topic(t)]
            return {place: self._consumer.committed(place, timeout_ms=10_000) for place in places}

        past = {place: at for place, at in self._ask("asking for the past", ask).items() if at is not None}
        return Position(group=self._group, offsets=MappingProxyType(self._named(past)))

    def lag(self) -> Mapping[tuple[str, int], int]:
        if self._consumer is None:
            return {}
        ends = {place: self._consumer.highwater(place) for place in self._consumer.assignment()}
        return self._named({p: max(0, end - self._next.get(p, end)) for p, end in ends.items() if end is not None})

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(Exception):
                self._watchdog.call(
                    lambda: consumer.close(autocommit=False, timeout_ms=int(CLOSING * 1_000)), CLOSING + 1
                )
            abandon(consumer)
        self._watchdog.close()
