"""Creating the topics that are missing on Kafka."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from kafka.errors import AuthorizationError, TopicAlreadyExistsError

from producers.administering import administer
from producers.connection import Connection
from producers.port import LogRefused
from producers.topics import Topic

MAX_BATCH: Final = 4_000_000
"""Topics are created to take this many bytes at once; the largest record is half of it."""

SEGMENT: Final = 128 * 2**20
"""Bytes after which a compacted topic begins another segment; a new reader reads about so much more than is needed."""


def provision(
    connection: Connection, topics: Mapping[str, Topic], *, create: bool = True, replication: int = -1
) -> Mapping[str, Topic]:
    """Return the topics as the cluster has them, after creating what is missing if `create`.

    A topic that exists keeps its own partitions and settings. `replication` -1 is the cluster's default.

    Raises:
        LogRefused: topics are missing and may not be created; the text names them.
        LogUnavailable: the cluster does not answer.

    """
    connection.reach()
    return administer(
        connection,
        "creating topics",
        lambda admin: _provision(admin, connection, topics, create=create, replication=replication),
    )


def _provision(
    admin: Any, connection: Connection, topics: Mapping[str, Topic], *, create: bool, replication: int
) -> Mapping[str, Topic]:
    counts = _counts(admin, connection, topics)
    missing = [topic for topic in topics.values() if topic.name not in counts]
    if missing and create:
        wanted = {connection.prefix + topic.name: _options(topic, replication) for topic in missing}
        try:
            admin.create_topics(wanted, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            pass  # another process was quicker
        except AuthorizationError as error:
            raise LogRefused(f"{_absent(connection, missing)}: let this user create them ({error})") from error
        counts = _counts(admin, connection, topics)
        missing = [topic for topic in topics.values() if topic.name not in counts]
    if missing:
        raise LogRefused(f"{_absent(connection, missing)}: create them, or allow it to be done here")
    return MappingProxyType({name: replace(topic, partitions=counts[name]) for name, topic in topics.items()})


def _counts(admin: Any, connection: Connection, topics: Mapping[str, Topic]) -> dict[str, int]:
    found = admin.describe_topics([connection.prefix + name for name in topics])
    return {t["name"].removeprefix(connection.prefix): len(t["partitions"]) for t in found if not t["error_code"]}


def _absent(connection: Connection, missing: list[Topic]) -> str:
    wanted = (f"{connection.prefix}{topic.name} ({topic.partitions} partitions)" for topic in missing)
    return f"the Kafka topics {', '.join(wanted)} do not exist"


def _options(topic: Topic, replication: int) -> dict[str, Any]:
    settings = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "max.message.bytes": str(MAX_BATCH),
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "-1" if topic.keep_seconds is None else str(int(topic.keep_seconds * 1_000)),
        "retention.bytes": "-1" if topic.keep_bytes is None else str(topic.keep_bytes),
    }
    if topic.compacted:  # of the newest segment nothing is forgotten
        settings |= {"segment.bytes": str(SEGMENT), "min.cleanable.dirty.ratio": "0.2"}
    return {"num_partitions": topic.partitions, "replication_factor": replication, "configs": settings}
