"""Reaching a Kafka cluster: where it is, how to log in, and how long to wait for any answer."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from threading import Thread
from types import MappingProxyType
from typing import Any, Final, TypeVar

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import (
    AuthorizationError,
    KafkaConfigurationError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
    UnsupportedVersionError,
)

from producers.login import log_in
from producers.port import LogRefused, LogUnavailable

SECURITY: Final = frozenset(
    name
    for name in set(KafkaConsumer.DEFAULT_CONFIG) & set(KafkaProducer.DEFAULT_CONFIG)
    if name == "security_protocol" or name.startswith(("ssl_", "sasl_"))
)
"""The client's settings that pass through: TLS and SASL."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A cluster and our part of its topics.

    `patience` is the longest time, in seconds, that one call may wait for the cluster before the client is given up.
    `security` holds settings of kafka-python whose names are in SECURITY.
    """

    servers: Sequence[str]
    prefix: str = ""
    client: str = "askance"
    patience: float = 30.0
    security: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def settings(self) -> dict[str, Any]:
        """What every client of the cluster is made with.

        Raises:
            LogRefused: a security setting is unknown, or the crc32c package is missing.

        """
        unknown = sorted(set(self.security) - SECURITY)
        if unknown:
            raise LogRefused(f"unknown security settings {', '.join(unknown)}; known are {', '.join(sorted(SECURITY))}")
        if find_spec("crc32c") is None:
            raise LogRefused("the package crc32c is missing; without it Kafka is four times slower: install crc32c")
        return {
            "bootstrap_servers": list(self.servers),
            "client_id": self.client,
            "bootstrap_timeout_ms": int(self.patience * 1_000),
            "reconnect_backoff_max_ms": 2_000,
            "metadata_max_age_ms": 60_000,
            **self.security,
        }

    def reach(self, timeout: float = 5.0) -> None:
        """See whether a server takes a connection and our login: the clients would not tell the reasons.

        Raises:
            LogUnavailable: no server takes a connection.
            LogRefused: an address is none, the login is refused, or a certificate is not trusted.

        """
        reasons = []
        for server in self.servers:
            host, _, port = server.rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout).close()
            except ValueError:
                raise LogRefused(f"{server!r} is not host:port") from None
            except OSError as error:
                reasons.append(f"{server} ({error})")
            else:
                if self.security.get("security_protocol", "PLAINTEXT") != "PLAINTEXT":
                    log_in(self.settings() | {"bootstrap_servers": [server]}, timeout)
                return
        raise LogUnavailable(f"no Kafka broker can be reached: {', '.join(reasons)}; start it, or correct the address")


def fault(doing: str, error: BaseException) -> LogUnavailable | LogRefused:
    """Say what went wrong with the cluster, and whether waiting may heal it."""
    refusals = (
        AuthorizationError,
        KafkaConfigurationError,
        SaslAuthenticationFailedError,
        UnsupportedSaslMechanismError,
        UnsupportedVersionError,
    )
    if isinstance(error, refusals):
        return LogRefused(f"Kafka refused {doing}: {error}; correct the security settings or the rights of this user")
    # The client tells a refused login as time run out.
    hint = "; it is overloaded, or refuses this login: check the security settings" if "bootstrap" in str(error) else ""
    return LogUnavailable(f"Kafka failed {doing}: {error or type(error).__name__}{hint}")


def made(kind: type[T], settings: Mapping[str, Any]) -> T:
    """Make a client of this kind; one that fails while it is made leaves no thread behind."""
    client: Any = kind.__new__(kind)
    try:
        client.__init__(**settings)
    except BaseException:
        abandon(client)
        raise
    return client  # type: ignore[no-any-return]  # it is of this kind


def abandon(client: Any) -> None:
    """End the threads of a client that would not close, or was never wholly made."""
    network, sender = getattr(client, "_net", None), getattr(client, "_sender", None)
    if network is not None:
        with suppress(Exception):
            network.stop(timeout_ms=1_000)
            network.close()
    if sender is not None and sender.is_alive():
        sender.force_close()
        client._closed = True  # noqa: SLF001 - or its finalizer would wait once more


@contextmanager
def faults(doing: str) -> Iterator[None]:
    """Turn what the client raises into what the port promises; any error of the client leaves it in doubt."""
    try:
        yield
    except (KafkaError, OSError, ValueError, TypeError, AssertionError, RuntimeError, LookupError) as error:
        raise fault(doing, error) from error


class Watchdog:
    """A thread that makes one client's calls, so that a call that never returns can be given up."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[tuple[Any, BaseException | None]]] | None]
        self._calls = SimpleQueue()
        # A daemon, so that a call that hangs for ever does not keep the process alive.
        Thread(target=self._serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            function, answer = call
            try:
                answer.put((function(), None))
            except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
                answer.put((None, error))

    def call(self, function: Callable[[], T], patience: float) -> T:
        """Return what `function` returns, raise what it raises, or TimeoutError after `patience` seconds.

        After a TimeoutError the client and this watchdog are only good for being dropped.
        """
        answer: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._calls.put((function, answer))
        try:
            result, error = answer.get(timeout=patience)
        except Empty:
            raise TimeoutError(f"no answer within {patience:g} s") from None
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]  # T by construction of the queue

    def close(self) -> None:
        """Let the thread end after the call it is in."""
        self._calls.put(None)
