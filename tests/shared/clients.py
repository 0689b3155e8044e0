"""The Kafka clients that tests run with, and what only tests do with them."""

import os
import pickle
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest

CLIENTS = ("kafka-python", "kafka-python apart", "confluent")


class Client(NamedTuple):
    name: str
    reader: Callable[..., Any]
    writer: Callable[..., Any]
    send_half: Callable[[Any, list[Any]], None]  # in a transaction that is left open, or to who would begin one


def client_named(name):
    """The classes of a client; the test is skipped where it is not installed."""
    if name == "kafka-python":
        from consumers.kafka import KafkaReader
        from producers.kafka import KafkaWriter

        return Client(name, KafkaReader, KafkaWriter, _half_of_kafka_python)
    if name == "kafka-python apart":
        from consumers.kafka import KafkaReader
        from producers.apart import ApartWriter

        return Client(name, KafkaReader, ApartWriter, _half_of_apart)
    if find_spec("confluent_kafka") is None:
        reason = "confluent-kafka is not installed: pip install 'askance[confluent]'"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(reason)
        pytest.skip(reason)
    from consumers.confluent import ConfluentReader
    from producers.confluent import ConfluentWriter

    return Client(name, ConfluentReader, ConfluentWriter, _half_of_confluent)


def _half_of_kafka_python(writer, records):
    producer, prefix = writer._producer, writer._connection.prefix
    producer.begin_transaction()
    for record in records:
        producer.send(prefix + record.topic, key=record.key, value=record.value)
    producer.flush(10)


def _half_of_apart(writer, records):
    whole = pickle.dumps((list(map(tuple, records)), None))
    writer._ours.sendall(whole[:-1])
    writer.close()


def _half_of_confluent(writer, records):
    producer, prefix = writer._producer, writer._connection.prefix
    producer.begin_transaction()
    for record in records:
        producer.produce(prefix + record.topic, record.value, record.key)
    assert producer.flush(10) == 0
