"""Reaching a Kafka cluster with librdkafka, through the package confluent-kafka: settings, errors and endings."""

import logging
from collections.abc import Callable
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from producers.connection import Connection, Watchdog
from producers.port import LogRefused, LogUnavailable

CLOSING: Final = 3.0
"""Seconds that a client gets to leave in peace."""

LOGGER: Final = logging.getLogger("kafka.librdkafka")
"""What the clients say goes here, on the thread that calls them."""

SECURITY: Final = MappingProxyType(
    {
        "security_protocol": "security.protocol",
        "ssl_cafile": "ssl.ca.location",
        "ssl_certfile": "ssl.certificate.location",
        "ssl_keyfile": "ssl.key.location",
        "ssl_password": "ssl.key.password",
        "ssl_crlfile": "ssl.crl.location",
        "ssl_check_hostname": "ssl.endpoint.identification.algorithm",
        "sasl_mechanism": "sasl.mechanism",
        "sasl_plain_username": "sasl.username",
        "sasl_plain_password": "sasl.password",
        "sasl_kerberos_service_name": "sasl.kerberos.service.name",
    }
)
"""This client's names of those of a Connection's security settings that it has."""

REFUSALS: Final = frozenset(
    (
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - so the package names what the client itself finds
        KafkaError._INVALID_ARG,  # noqa: SLF001 - a setting
        KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.UNSUPPORTED_VERSION,
    )
)
"""Errors that waiting does not heal."""

WHAT_IT_RAISES: Final = (
    KafkaException,
    BufferError,
    OSError,
    ValueError,
    TypeError,
    RuntimeError,
    LookupError,
    SystemError,
)


def settings(connection: Connection) -> dict[str, Any]:
    """What every client of the cluster is made with.

    Raises:
        LogRefused: a security setting is unknown, or this client does not have it.

    """
    connection.settings()  # refuses what no client knows
    absent = sorted(set(connection.security) - set(SECURITY))
    if absent:
        raise LogRefused(
            f"the client confluent has no {', '.join(absent)}; it has {', '.join(sorted(SECURITY))}: "
            "leave out what it has not, or choose kafka-python"
        )
    return {
        "bootstrap.servers": ",".join(connection.servers),
        "client.id": connection.client,
        "reconnect.backoff.max.ms": 2_000,
        "metadata.max.age.ms": 60_000,
        "socket.nagle.disable": True,
        "logger": LOGGER,
        **{SECURITY[name]: _said(name, value) for name, value in connection.security.items()},
    }


def _said(name: str, value: object) -> object:
    if name == "ssl_check_hostname":
        return "https" if value else "none"
    return value


class Told:
    """The last that a client told of troubles it goes on after: what an answer that never comes does not say."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, error: KafkaError) -> None:
        """For the client to call."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - another error says why
            self._last = f"; it said before: {said(error)}"

    def __str__(self) -> str:
        return self._last


def said(error: KafkaError) -> str:
    """An error in the client's words and with its name."""
    return f"{error.str()} ({error.name()})"


def fault(doing: str, error: BaseException, told: object = "") -> LogUnavailable | LogRefused:
    """Say what went wrong with the cluster, and whether waiting may heal it."""
    if isinstance(error, SystemError):  # the client found itself at its end in the middle of its news
        error = error.__cause__ or error
    reason = error.args[0] if isinstance(error, KafkaException) and error.args else None
    if not isinstance(reason, KafkaError):
        return LogUnavailable(f"Kafka failed {doing}: {error or type(error).__name__}{told}")
    if reason.code() in REFUSALS:
        return LogRefused(
            f"Kafka refused {doing}: {said(reason)}; correct the security settings or the rights of this user"
        )
    return LogUnavailable(f"Kafka failed {doing}: {said(reason)}{told}")


class faults:  # noqa: N801 - used as the other client's function of this name
    """Turn what the client raises into what the port promises; any error of the client leaves it in doubt."""

    def __init__(self, doing: str, told: object = "") -> None:
        self._doing, self._told = doing, told

    def __enter__(self) -> None:
        """Nothing is to be done."""

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        """Raise LogUnavailable or LogRefused for an error of the client."""
        # The package also raises its KafkaError, which is no exception: no `except` and no generator gets it.
        met = KafkaException(error) if isinstance(error, KafkaError) else error
        if isinstance(met, WHAT_IT_RAISES):
            raise fault(self._doing, met, self._told) from met


def end(name: str, closing: Callable[[], object]) -> None:
    """Call what ends a client, which takes no limit of its own, and leave it behind if it takes too long."""
    watchdog = Watchdog(name)
    with suppress(Exception):
        watchdog.call(closing, CLOSING)
    watchdog.close()
