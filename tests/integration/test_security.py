"""TLS and SASL to a real broker, with each client."""

import time
import uuid

import pytest

from consumers.port import LogRefused
from models.records import Outgoing
from producers.connection import Connection
from producers.provision import provision
from producers.topics import Topic

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.usefixtures("tidy"),
]

TOPICS = {"plain": Topic(name="plain")}
KINDS = ("SASL_PLAINTEXT", "SSL", "SASL_SSL")


@pytest.fixture
def connect(own_broker, certificates):
    """A function that connects to the broker's listener of a kind, with other settings where they are given."""
    listeners = {"SASL_PLAINTEXT": own_broker.sasl, "SSL": own_broker.ssl, "SASL_SSL": own_broker.sasl_ssl}

    def connect_(kind, **others):
        security = {"security_protocol": kind}
        if kind != "SASL_PLAINTEXT":
            security["ssl_cafile"] = str(certificates / "broker.crt")
        if kind != "SSL":
            security["sasl_mechanism"] = "SCRAM-SHA-256" if kind == "SASL_SSL" else "PLAIN"
            security |= {"sasl_plain_username": "askance", "sasl_plain_password": "open sesame"}
        prefix = f"t{uuid.uuid4().hex[:12]}."
        return Connection(servers=[listeners[kind]], prefix=prefix, patience=10.0, security=security | others)

    return connect_


def read(reader, count, seconds=20.0):
    records, deadline = [], time.monotonic() + seconds
    while len(records) < count and time.monotonic() < deadline:
        records += reader.poll(1_000, 0.2)
    return records


@pytest.mark.parametrize("kind", KINDS)
def test_publishing_and_reading_work(connect, client, kind):
    connection = connect(kind)
    writer = client.writer(connection, name=connection.prefix, topics=provision(connection, TOPICS))
    writer.publish([Outgoing("plain", b"k", b"v")], None)
    reader = client.reader(connection, topics=["plain"], group=connection.prefix)
    assert [r.value for r in read(reader, 1)] == [b"v"]
    writer.publish([], reader.position())
    assert reader.committed().offsets == reader.position().offsets
    reader.close()
    writer.close()


def refused_in_time(client, connection, why):
    begun = time.monotonic()
    with pytest.raises(LogRefused, match=why):
        client.writer(connection, name="name", topics=TOPICS)
    with pytest.raises(LogRefused, match=why):
        client.reader(connection, topics=["plain"], group="group")
    with pytest.raises(LogRefused, match=why):
        provision(connection, TOPICS)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("kind", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_wrong_password_is_refused_at_once(connect, client, kind):
    refused_in_time(
        client, connect(kind, sasl_plain_password="sesame"), "refuses this login: correct the user, the pass"
    )


def test_a_mechanism_that_the_broker_has_not_is_refused_at_once(connect, client):
    connection = connect("SASL_SSL", sasl_mechanism="SCRAM-SHA-512")
    # The broker's answer is lost when it hangs up in the same moment; then only the refusal is known.
    refused_in_time(
        client, connection, "does not know this sasl_mechanism: take another|the mechanism in kafka.security"
    )


@pytest.mark.parametrize("kind", ["SSL", "SASL_SSL"])
def test_an_untrusted_certificate_is_refused_at_once(connect, client, certificates, kind):
    connection = connect(kind, ssl_cafile=str(certificates / "stranger.crt"))
    refused_in_time(client, connection, "certificate that is not trusted: correct ssl_cafile")


def test_a_missing_file_of_certificates_is_refused_at_once(connect, client, tmp_path):
    connection = connect("SSL", ssl_cafile=str(tmp_path / "none.crt"))
    refused_in_time(client, connection, "a file that kafka.security names cannot be read")
