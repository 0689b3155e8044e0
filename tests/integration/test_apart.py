"""What a writer in a process of its own does when one of the two processes dies, stands still or is told to end."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from models.records import Outgoing, Position
from producers.apart import ApartWriter
from producers.connection import Connection
from producers.port import DeliveryFailed, LogUnavailable
from producers.topics import topics
from shared.clients import client_named

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.usefixtures("tidy"),
]

ONE = [Outgoing("plain", b"k", b"v")]
PARENT = """
import sys, time
from producers.apart import ApartWriter
from producers.connection import Connection
from producers.topics import Topic
from models.records import Outgoing

connection = Connection(servers=[sys.argv[1]], prefix=sys.argv[2])
writer = ApartWriter(connection, name=sys.argv[2], topics={"plain": Topic(name="plain")})
print(writer._process.pid, flush=True)
while True:
    writer.publish([Outgoing("plain", b"k", b"v")] * 2_000, None)
"""


@pytest.fixture
def client():
    return client_named("kafka-python apart")


def values(log):
    watch, records = log.reader("plain", start=Position(group="own")), []
    while found := watch.poll(1_000, 1.0):
        records += found
    return [record.value for record in records]


def await_end(pid, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_of_a_writer_whose_process_was_killed_a_publish_fails_and_the_next_writer_works(kafka_log):
    writer = kafka_log.writer("same")
    writer._process.kill()
    with pytest.raises(DeliveryFailed, match="process has ended"):
        writer.publish(ONE, None)
    with pytest.raises(DeliveryFailed, match="to be dropped"):
        writer.publish(ONE, None)
    kafka_log.writer("same").publish(ONE, None)
    assert values(kafka_log) == [b"v"]


def test_a_writer_whose_process_stands_still_is_given_up_in_time(kafka_log):
    short = replace(kafka_log.connection, patience=1.0)
    writer = ApartWriter(short, name=short.prefix + "w", topics=kafka_log.topics)
    os.kill(writer._process.pid, signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(DeliveryFailed, match="does not answer"):
        writer.publish([Outgoing("plain", b"k", b"x" * 1_000_000)] * 10, None)  # more than waits in between
    writer.close()
    assert time.monotonic() - begun < 10
    assert values(kafka_log) == []


def test_the_process_of_a_writer_ends_at_once_when_its_parent_is_killed(kafka_log):
    words = [sys.executable, "-c", PARENT, kafka_log.connection.servers[0], kafka_log.connection.prefix]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(0.3)  # in the middle of a publish
        parent.kill()
    assert await_end(pid, 2.0)
    assert len(values(kafka_log)) % 2_000 == 0


def test_what_ends_a_group_of_processes_does_not_end_that_of_a_writer(kafka_log):
    writer = kafka_log.writer()
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(writer._process.pid, number)
    writer.publish(ONE, None)
    writer.close()
    assert writer._process.returncode == 0
    assert values(kafka_log) == [b"v"]


def test_what_the_client_says_there_is_heard_here(unused_port_that_listens, caplog):
    caplog.set_level(logging.WARNING, "kafka")
    connection = Connection(servers=[f"127.0.0.1:{unused_port_that_listens}"], patience=1.0)
    with pytest.raises(LogUnavailable, match="opening the writer"):
        ApartWriter(connection, name="name", topics=topics())
    assert {record.name.partition(".")[0] for record in caplog.records} == {"kafka"}
