"""Reading from Kafka with librdkafka: as a member of a group, or at offsets of one's own."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.librdkafka import (
    BEGINNING,
    END,
    NEWS,
    Place,
    Share,
    asked_offsets,
    generation_of,
    offsets_of,
    places_of,
    records_of,
    settings,
)
from consumers.offsets import IDLE, going_on
from consumers.port import LogRefused, LogUnavailable
from consumers.succession import succeed
from models.records import Position, Record
from producers.connection import Connection
from producers.librdkafka import CLOSING, Told, end, faults

T = TypeVar("T")


class ConfluentReader:
    """Reads topics as a member of a group, or, with `start`, all their partitions from a position of its own.

    A member shares the partitions with the other members. Its position bears its membership; a publish past it fails
    once the group has moved on without this member. Own offsets leave the group's
    past to lag displays; partitions that are added are found within a minute.
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
        self._membership: bytes | None = None
        self._share = Share()
        self._next: dict[Place, int] = {}
        self._epochs: dict[Place, int] = {}
        self._unclaimed: set[Place] = set()  # polled since the last `position`
        self._stood: dict[Place, int] = {}  # where it was at the last silence
        self._told = Told()
        self._idle = idle
        self._heard = self._looked = time.monotonic()
        made_with = settings(
            connection, group=group, instance=instance, session=session, max_interval=max_interval, idle=idle
        )
        made_with["error_cb"] = self._told
        connection.reach()
        self._consumer: Any = None
        try:
            with faults(f"opening a reader of {', '.join(self._topics)}", self._told):
                self._consumer = Consumer(made_with)
                places = self._places()
                if self._member:
                    if instance is not None:
                        succeed(connection, group=group, instance=instance, places=places)
                    gives, takes = self._share.gives, self._share.takes
                    self._consumer.subscribe(list(self._topics), on_assign=gives, on_revoke=takes, on_lost=takes)
            if start is not None:
                self._go_on(start, places)
        except BaseException:
            self.close()
            raise

    def _places(self) -> list[Place]:
        """Every partition there is of our topics."""
        patience = self._connection.patience
        return [place for name in self._topics for place in places_of(self._consumer.list_topics(name, patience), name)]

    def _offsets(self, places: Sequence[Place], when: int) -> dict[Place, int]:
        """Ask the brokers where partitions begin or end."""
        return asked_offsets(self._consumer, places, when, patience=self._connection.patience)

    def _stand(self) -> None:
        """Stand where the group stands in what it gave, or at the beginning."""
        if self._share.new:
            past = self._past(self._share.new)
            unread = [place for place, at in past.items() if at < 0]
            self._next |= past | self._offsets(unread, BEGINNING)
            self._share.new.clear()

    def _past(self, places: Iterable[Place]) -> dict[Place, int]:
        asked = [TopicPartition(*place) for place in places]
        return offsets_of(self._consumer.committed(asked, self._connection.patience))

    def poll(self, limit: int, timeout: float) -> list[Record]:
        if self._consumer is None:
            raise LogUnavailable("this reader is closed")
        if not self._member and time.monotonic() - self._looked > self._idle:
            self._discover()
        with faults("a poll", self._told):
            records = self._poll(limit, timeout)
        if records:
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > self._idle:
            self._check_silence()
        return records

    def _poll(self, limit: int, timeout: float) -> list[Record]:
        messages = self._fetched(limit, time.monotonic() + timeout)
        if self._member:
            self._note_membership()
            taken, self._share.taken = set(self._share.taken), []
            self._next = {place: at for place, at in self._next.items() if place not in taken}
            if taken & self._unclaimed:
                raise RuntimeError("partitions went to another member between polling and publishing")
            if messages and self._membership is None:
                raise RuntimeError("the group went on without this member")
            self._stand()
        for place, message in {(m.topic(), m.partition()): m for m in messages}.items():
            if message.error() is not None:
                self._next[place] = message.offset()
            else:
                self._next[place] = message.offset() + 1
                self._epochs[place] = -1 if (epoch := message.leader_epoch()) is None else epoch
                self._unclaimed.add(place)
        return records_of(messages, self._topics)

    def _fetched(self, limit: int, deadline: float) -> list[Any]:
        """Messages and ends of partitions; some message, unless none comes before the deadline."""
        messages: list[Any] = []
        wait = 0.0
        while True:
            # A call for many waits until there are as many: so without waiting, or for one and what came with it.
            for count, seconds in ((1, wait), (limit - 1, 0.0)) if wait else ((limit, 0.0),):
                if count:
                    messages = self._consumed(messages, count, seconds)
            wait = deadline - time.monotonic()
            if wait <= 0 or any(message.error() is None for message in messages):
                return messages

    def _consumed(self, messages: list[Any], count: int, seconds: float) -> list[Any]:
        before = len(self._share.taken)
        more = self._consumer.consume(count, seconds)
        if gone := set(self._share.taken[before:]):  # the client forgets what it holds itself, not what we hold
            messages = [m for m in messages if (m.topic(), m.partition()) not in gone]
        for message in more:
            error = message.error()
            if error is not None and error.code() not in NEWS:
                raise KafkaException(error)
        return messages + [m for m in more if m.topic() is not None]

    def _note_membership(self) -> None:
        membership = self._consumer.consumer_group_metadata()
        self._membership = membership if generation_of(membership) >= 0 else None

    def position(self) -> Position:
        self._unclaimed.clear()
        if self._member and self._consumer is not None:
            # A rebalance under way takes nothing before the next poll: what we hold, we hold in its generation too.
            self._note_membership()
        membership = (self._membership, self._named(self._epochs)) if self._member else None
        return Position(group=self._group, offsets=MappingProxyType(self._named(self._next)), membership=membership)

    def _named(self, values: Mapping[Place, int]) -> dict[tuple[str, int], int]:
        return {(self._topics[topic], partition): value for (topic, partition), value in values.items()}

    def seek(self, position: Position) -> None:
        if self._member:
            raise LogRefused(f"a member of {self._group!r} goes on where the group stands: open with `start` to seek")
        self._go_on(position, self._ask("looking for partitions", self._places))

    def _ask(self, doing: str, function: Callable[..., T], *arguments: Any) -> T:
        if self._consumer is None:
            raise LogUnavailable("this reader is closed")
        with faults(doing, self._told):
            return function(*arguments)

    def _go_on(self, position: Position, places: Sequence[Place]) -> None:
        first = self._ask("asking for offsets", self._offsets, places, BEGINNING)
        last = self._ask("asking for offsets", self._offsets, places, END)
        self._next = {}
        for place in places:
            name = (self._topics[place[0]], place[1])
            at = position.offsets.get(name, 0)
            self._next[place] = going_on(*name, at=at, first=first[place], end=last[place])
        assigned = [TopicPartition(*place, at) for place, at in self._next.items()]
        self._ask("going on", self._consumer.assign, assigned)

    def _discover(self) -> None:
        self._looked = time.monotonic()
        places = self._ask("looking for partitions", self._places)
        if set(places) != set(self._next):
            self._go_on(self.position(), places)

    def _check_silence(self) -> None:
        """Raise LogUnavailable if the brokers do not answer, or have had more since the last time."""
        self._heard = time.monotonic()
        for place, last in self._ask("asking for offsets", self._offsets, list(self._next), END).items():
            if self._next[place] < last and self._next[place] == self._stood.get(place):
                raise LogUnavailable(f"{place[0]}/{place[1]} is not read on from {self._next[place]} to {last}")
        self._stood = dict(self._next)

    def committed(self) -> Position:
        past = self._ask("asking for the past", lambda: self._past(self._places()))
        past = {place: at for place, at in past.items() if at >= 0}
        return Position(group=self._group, offsets=MappingProxyType(self._named(past)))

    def lag(self) -> Mapping[tuple[str, int], int]:
        if self._consumer is None:
            return {}
        ends = {
            place: self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)[1] for place in self._next
        }
        return self._named({place: max(0, end - self._next[place]) for place, end in ends.items() if end >= 0})

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            end(f"{self._connection.client}-reader", lambda: self._leave(consumer))

    def _leave(self, consumer: Any) -> None:
        # What the group gives must not come while the client closes: it then waits for itself, with Python's lock held.
        deadline = time.monotonic() + CLOSING / 2
        while self._member and time.monotonic() < deadline:
            generation = generation_of(consumer.consumer_group_metadata())
            if generation >= 0 and generation == self._share.generation:
                break
            consumer.consume(1, 0.02)
        consumer.close()
