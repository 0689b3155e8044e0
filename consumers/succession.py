"""Taking over the place of a member of a group that has died.

A static member that comes back within its session gets what it had, and the group shares nothing out anew. But
cooperative rebalancing takes two rounds (KIP-429): in the first, members give partitions up, in the second they join
again and others get them. Whoever dies in between and comes back never asks for the second round, and the partitions
that it gave up belong to nobody, for as long as all members live. Nor does any member's lag show them.
"""

import time
from collections.abc import Iterable
from typing import Any, Final

from kafka.admin import MemberToRemove
from kafka.errors import RetriableError

from producers.administering import administer
from producers.connection import Connection

PAUSE: Final = 0.1
"""Seconds before the cluster is asked again."""


def succeed(connection: Connection, *, group: str, instance: str, places: Iterable[tuple[str, int]]) -> None:
    """End the membership that this `instance` left behind, unless all `places` (topic, partition) have an owner.

    To be called before joining: to the group the newcomer then is a new member, and it shares everything out.

    Raises:
        LogRefused: the cluster refuses it.
        LogUnavailable: the cluster does not answer.

    """

    def end_unless_shared(admin: Any) -> None:
        told = _described(admin, group, connection.patience)
        shared = told["group_state"] == "Stable" and set(places) <= _owned(told["members"])
        if not shared and any(member["group_instance_id"] == instance for member in told["members"]):
            admin.remove_group_members(group, [MemberToRemove(group_instance_id=instance)])

    administer(connection, f"looking at the group {group}", end_unless_shared)


def _described(admin: Any, group: str, patience: float) -> Any:
    """What the cluster says of the group; a cluster without groups so far needs a moment to keep any."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return admin.describe_groups([group])[group]
        except RetriableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)


def _owned(members: Iterable[Any]) -> set[tuple[str, int]]:
    return {
        (part["topic"], partition)
        for member in members
        for part in (member["member_assignment"] or {"assigned_partitions": ()})["assigned_partitions"]
        for partition in part["partitions"]
    }
