"""Logging in once, to hear why a cluster refuses it: the clients themselves tell it as time run out, or never."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from kafka.errors import KafkaConnectionError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from producers.port import LogRefused

LOGIN: Final = "refuses this login: correct the user, the password or the mechanism in kafka.security"


def log_in(settings: Mapping[str, Any], timeout: float) -> None:
    """Connect to one server as kafka-python would with these `settings`, TLS and SASL included, and let go of it.

    Whatever else goes wrong than a refusal is left to the client, which tries longer and elsewhere.

    Raises:
        LogRefused: the password, the mechanism or a certificate is wrong, or a file of the settings cannot be read.

    """
    error, asked = _attempt(settings, timeout)
    if error is not None and asked and isinstance(error, KafkaConnectionError):
        # A broker that stops hangs up too, but not twice: then nobody is there.
        error, asked = _attempt(settings, timeout)
    if error is None:
        return
    hung_up = asked and isinstance(error, KafkaConnectionError)
    if reason := LOGIN if hung_up else _refusal(error):
        raise LogRefused(f"Kafka at {', '.join(settings['bootstrap_servers'])} {reason} ({error})") from error


def _attempt(settings: Mapping[str, Any], timeout: float) -> tuple[Exception | None, bool]:
    """What went wrong, and whether it did after the broker was asked to let us in."""
    network = NetworkSelector(**settings)
    manager = KafkaConnectionManager(network, **settings)
    connections = []

    async def connect() -> None:
        limit = int(timeout * 1_000)
        server = manager.cluster.bootstrap_brokers()[0]
        connections.append(manager.get_connection(server.node_id, timeout_ms=limit, refresh_metadata_on_err=False))
        await manager.wait_for(connections[0].init_future, limit)

    try:
        network.run(connect)
    except Exception as error:  # noqa: BLE001 - of the client's, of its TLS and its SASL, no list of all
        asked = settings.get("sasl_mechanism") and connections and connections[0].broker_version_data is not None
        return error, bool(asked)
    else:
        return None, True
    finally:
        with suppress(Exception):
            manager.close()
            network.drain()
            network.close()


def _refusal(error: Exception) -> str:
    text = str(error)
    if isinstance(error, SaslAuthenticationFailedError):
        return LOGIN
    if isinstance(error, UnsupportedSaslMechanismError):
        return "does not know this sasl_mechanism: take another in kafka.security"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "shows a certificate that is not trusted: correct ssl_cafile in kafka.security, or the server's name"
    if isinstance(error, FileNotFoundError | PermissionError) or "[SSL] PEM lib" in text:
        return "cannot be reached: a file that kafka.security names cannot be read"
    return ""
