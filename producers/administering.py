"""Asking a Kafka cluster for what neither a producer nor a consumer can: topics to create, groups to look at."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from kafka import KafkaAdminClient

from producers.connection import Connection, Watchdog, faults, made

T = TypeVar("T")


def administer(connection: Connection, doing: str, function: Callable[[Any], T]) -> T:
    """Return what `function` makes of the client that administers the cluster; `doing` says what for.

    Raises:
        LogRefused: the cluster refuses it.
        LogUnavailable: the cluster does not answer.

    """
    watchdog = Watchdog(f"{connection.client}-admin")
    settings = connection.settings() | {"request_timeout_ms": int(connection.patience * 1_000)}
    try:
        with faults(doing):
            admin = watchdog.call(lambda: made(KafkaAdminClient, settings), connection.patience * 1.5)
            try:
                return watchdog.call(lambda: function(admin), connection.patience * 1.5)
            finally:
                with suppress(TimeoutError):
                    watchdog.call(admin.close, 5.0)
    finally:
        watchdog.close()
