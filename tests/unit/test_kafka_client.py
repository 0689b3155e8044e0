"""The choice of the Kafka client, and what librdkafka is told of a connection."""

import sys

import pytest

from models.faults import LogRefused
from producers.connection import Connection
from service.assembly import clients
from service.settings import Misconfigured, read_settings

CHOSEN = {"kafka.bootstrap": "127.0.0.1:1", "kafka.client": "confluent"}


def test_a_client_that_is_not_installed_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(Misconfigured, match=r"kafka.client = confluent .*askance\[confluent\]"):
        clients(read_settings(None, CHOSEN))


def test_the_default_client_needs_no_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    assert clients(read_settings(None, {"kafka.bootstrap": "127.0.0.1:1"}))


def test_no_other_client_is_known():
    with pytest.raises(Misconfigured, match=r"kafka.client"):
        read_settings(None, {"kafka.client": "librdkafka"})


def settings(**security):
    pytest.importorskip("confluent_kafka")
    from producers.librdkafka import settings as told

    return told(Connection(servers=["a:1", "b:2"], security=security))


def test_security_settings_are_told_in_the_clients_own_names():
    said = settings(
        security_protocol="SASL_SSL", ssl_cafile="ca.pem", sasl_mechanism="SCRAM-SHA-256", sasl_plain_password="pw"
    )
    names = ("bootstrap.servers", "security.protocol", "ssl.ca.location", "sasl.mechanism", "sasl.password")
    assert [said[name] for name in names] == ["a:1,b:2", "SASL_SSL", "ca.pem", "SCRAM-SHA-256", "pw"]


@pytest.mark.parametrize(("checked", "algorithm"), [(True, "https"), (False, "none")])
def test_the_name_in_a_certificate_is_checked_unless_said_otherwise(checked, algorithm):
    assert settings(ssl_check_hostname=checked)["ssl.endpoint.identification.algorithm"] == algorithm


@pytest.mark.parametrize("name", ["ssl_keyfle", "sasl_oauth_token_provider"])
def test_a_security_setting_that_this_client_has_not_is_refused_by_name(name):
    with pytest.raises(LogRefused, match=name):
        settings(**{name: "x"})


def test_a_reader_outside_its_group_has_no_generation():
    kafka = pytest.importorskip("confluent_kafka")
    from consumers.librdkafka import generation_of

    outsider = kafka.Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0})
    assert generation_of(outsider.consumer_group_metadata()) == -1
    outsider.close()


def test_a_membership_in_another_form_is_refused():
    pytest.importorskip("confluent_kafka")
    from consumers.librdkafka import generation_of

    with pytest.raises(LogRefused, match="another form"):
        generation_of(b"CGMDv3:....")
