"""Topics on a real broker: made as stated, refused by name, read on when partitions are added."""

import contextlib
import time
import uuid
from dataclasses import replace

import pytest

from consumers.port import LogRefused
from models.records import Outgoing
from producers.connection import Connection
from producers.provision import provision
from producers.topics import Topic, topics
from service.assembly import clients
from service.settings import read_settings
from shared.numbered import BEGINNING, read

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.usefixtures("tidy"),
]


def test_unknown_security_settings_are_refused_by_name():
    connection = Connection(servers=["127.0.0.1:1"], security={"sasl_mechanism": "PLAIN", "ssl_keyfle": "x"})
    with pytest.raises(LogRefused, match="ssl_keyfle"):
        connection.settings()


def test_missing_topics_are_refused_by_name_where_they_may_not_be_created(kafka_log):
    connection = replace(kafka_log.connection, prefix=kafka_log.connection.prefix + "none.")
    with pytest.raises(LogRefused, match=r"none\.products \(2 partitions\).*create them"):
        provision(connection, topics(partitions=2), create=False)


def test_topics_are_created_as_stated(kafka_log):
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource

    connection = replace(kafka_log.connection, prefix=kafka_log.connection.prefix + "all.")
    made = provision(connection, topics(partitions=2))
    assert {t.name: t.partitions for t in made.values()} == {
        t.name: t.partitions for t in topics(partitions=2).values()
    }
    names = {name: connection.prefix + name for name in ("labels", "snapshots")}
    with KafkaAdminClient(bootstrap_servers=connection.servers) as admin:
        told = admin.describe_configs([ConfigResource("topic", name) for name in names.values()], config_filter="all")
    wanted = ("cleanup.policy", "retention.ms", "message.timestamp.type", "segment.bytes")
    kept = {name: tuple(told["topic"][full][setting]["value"] for setting in wanted) for name, full in names.items()}
    ninety_days = str(90 * 86_400_000)
    assert kept == {
        "labels": ("delete", ninety_days, "LogAppendTime", str(2**30)),
        "snapshots": ("compact", "-1", "LogAppendTime", str(2**27)),
    }


def test_topics_that_exist_keep_their_partitions(kafka_log):
    wider = {"wide": Topic(name="wide", partitions=9)}
    assert provision(kafka_log.connection, wider)["wide"].partitions == 3


def test_partitions_added_later_are_read_by_a_reader_of_its_own_offsets(kafka_log):
    from kafka import KafkaAdminClient

    reader = kafka_log.reader("plain", start=BEGINNING, idle=0.5)
    reader.poll(1, 0.1)
    name = kafka_log.connection.prefix + "plain"
    with KafkaAdminClient(bootstrap_servers=kafka_log.connection.servers) as admin:
        admin.create_partitions({name: 2})
    topics_now = kafka_log.topics | {"plain": Topic(name="plain", partitions=2)}
    writer = kafka_log.client.writer(kafka_log.connection, name=name, topics=topics_now)
    writer.publish([Outgoing("plain", b"k", b"new", 1)], None)
    writer.close()
    assert [r.partition for r in read(reader, 1, 30)] == [1]


def test_partitions_added_later_go_to_a_member_that_waits_for_nothing(kafka_log):
    from kafka import KafkaAdminClient

    member = kafka_log.reader("plain", instance="only", idle=0.5)
    assert _shared_out(member, 1)
    with KafkaAdminClient(bootstrap_servers=kafka_log.connection.servers) as admin:
        admin.create_partitions({kafka_log.connection.prefix + "plain": 2})
    assert _shared_out(member, 2)


def _shared_out(member, count, seconds=20.0):
    """Whether so many partitions are the member's in time; what its group does takes longer than one of its polls."""
    deadline = time.monotonic() + seconds
    while len(member.position().offsets) < count and time.monotonic() < deadline:
        member.poll(1, 0.001)
        time.sleep(0.01)
    return len(member.position().offsets) == count


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_installations_that_differ_in_the_prefix_share_neither_group_nor_writer(broker, client, tmp_path):
    with contextlib.ExitStack() as stack:
        readers, writers = [], []
        for name in ("one", "two"):
            prefix = f"{name}{uuid.uuid4().hex[:8]}."
            changes = {"kafka.bootstrap": broker, "kafka.client": client, "log.prefix": prefix}
            reach = clients(read_settings(None, changes | {"data_dir": str(tmp_path), "outputs": ("red",)}))
            writers.append(stack.enter_context(contextlib.closing(reach.write("scorer"))))
            readers.append(stack.enter_context(contextlib.closing(reach.read(("products",), "askance", None))))
        for writer, value in zip(writers, (b"1", b"2"), strict=True):
            writer.publish([Outgoing("products", b"k", value)], None)

        assert [[record.value for record in read(reader, 1)] for reader in readers] == [[b"1"], [b"2"]]
