"""Who comes back under the name of a member that died while its group shared partitions out."""

import time

import pytest

from consumers.succession import succeed
from producers.administering import administer
from shared.numbered import feed

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.usefixtures("tidy"),
]

LONG = 45.0  # seconds of a session: none ends within these tests
ALL = {("wide", number) for number in range(3)}


class Group:
    """A group that shares `wide`, as the broker sees it."""

    def __init__(self, log, name="group"):
        self.log, self.name = log, name

    def join(self, instance):
        return self.log.reader("wide", group=self.name, instance=instance, session=LONG)

    def owners(self):
        """Which partitions each instance owns, as soon as the broker waits for nobody; else None."""
        name, prefix = self.log.connection.prefix + self.name, self.log.connection.prefix
        told = administer(self.log.connection, "looking", lambda admin: admin.describe_groups([name]))[name]
        if told["group_state"] != "Stable":
            return None
        return {
            member["group_instance_id"]: {
                (part["topic"].removeprefix(prefix), partition)
                for part in member["member_assignment"]["assigned_partitions"]
                for partition in part["partitions"]
            }
            for member in told["members"]
        }

    def shared_out(self, *members, seconds):
        """Poll until all partitions have owners again, or the time is over; the owners."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for member in members:
                member.poll(1, 0.05)
            owners = self.owners()
            if owners is not None and set().union(*owners.values()) == ALL:
                break
        return owners

    def between_rounds(self):
        """Member b and the owners, after a gave partitions up and before it joins again; None if that was too quick."""
        first = self.join("a")
        self.shared_out(first, seconds=30)
        second = self.join("b")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            second.poll(1, 0.05)
            owners = self.owners()
            if owners is not None and len(owners) == 2:
                return None if set().union(*owners.values()) == ALL else (second, owners)
            first.poll(1, 0.0)
        raise AssertionError("the second member is not let in")


def left_between_rounds(log):
    """A group whose member a died between two rounds: the group, its member b, and the owners."""
    for attempt in range(5):
        group = Group(log, f"group-{attempt}")
        if (found := group.between_rounds()) is not None:
            return group, *found  # nothing polls the first any more: it is as good as dead
    raise AssertionError("the rounds were too quick to be seen")


def test_what_a_member_gave_up_before_it_died_has_an_owner_once_it_is_back(kafka_log):
    group, other, _ = left_between_rounds(kafka_log)
    feed(kafka_log, 90)
    owners = group.shared_out(group.join("a"), other, seconds=20)

    assert set(owners) == {"a", "b"}
    assert all(owners.values())
    assert set().union(*owners.values()) == ALL


def test_without_the_succession_nobody_ever_owns_it(kafka_log, monkeypatch):
    group, other, before = left_between_rounds(kafka_log)
    for client in ("kafka", "confluent"):
        monkeypatch.setattr(f"consumers.{client}.succeed", lambda *_, **__: None)
    assert group.shared_out(group.join("a"), other, seconds=6) == before


def test_a_member_that_comes_back_where_all_is_shared_out_disturbs_nobody(kafka_log):
    group = Group(kafka_log)
    first, second = group.join("a"), group.join("b")
    before = group.shared_out(first, second, seconds=30)
    while set(second.position().offsets) != before["b"]:  # it has yet to hear
        second.poll(1, 0.05)
    held = second.position().membership
    heir = group.join("a")  # the first is polled no more, as if dead
    after = group.shared_out(heir, second, seconds=3)

    assert after == before
    assert second.position().membership == held  # in the same generation: the group shared nothing out anew


def test_where_there_is_no_such_group_there_is_nothing_to_do(kafka_log):
    group = Group(kafka_log, "nobody")
    succeed(kafka_log.connection, group=kafka_log.connection.prefix + group.name, instance="a", places=ALL)
    assert not group.owners()
