"""A real broker that refuses, stands still, dies or cannot be reached."""

import contextlib
import os
import resource
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from consumers.port import LogUnavailable
from models.records import Outgoing
from producers.connection import Connection
from producers.port import DeliveryFailed
from producers.provision import provision
from producers.topics import Topic, topics
from shared.numbered import BEGINNING, await_echo, echoed, feed, read, start

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.usefixtures("tidy"),
]


def careless_writer(log, *known):
    """A writer that lets everything pass that the client lets pass."""
    return log.client.writer(
        log.connection,
        name=log.connection.prefix + "careless",
        topics={topic.name: topic for topic in known},
        limit=10_000_000,
        compression=None,
    )


@pytest.mark.parametrize(
    ("topic", "record"),
    [
        (Topic(name="plain"), Outgoing("plain", b"k", b"x" * 4_100_000)),
        (Topic(name="compact"), Outgoing("compact", None, b"v")),
    ],
    ids=["too large", "compacted without a key"],
)
def test_what_kafka_refuses_fails_wholly_and_the_next_session_works(kafka_log, topic, record):
    careless = careless_writer(kafka_log, Topic(name="other"), topic)
    with pytest.raises(DeliveryFailed):
        careless.publish([Outgoing("other", b"k", b"before"), record], None)
    careless.close()
    kafka_log.writer("careless").publish([Outgoing("other", b"k", b"after")], None)
    assert [r.value for r in read(kafka_log.reader("other", start=BEGINNING), 1)] == [b"after"]


def test_topics_take_twice_the_largest_record(kafka_log):
    value = os.urandom(3_990_000)
    careless = careless_writer(kafka_log, Topic(name="plain"))
    careless.publish([Outgoing("plain", b"k", value)], None)
    careless.close()
    assert [r.value for r in read(kafka_log.reader("plain", start=BEGINNING), 1)] == [value]


def test_a_frozen_broker_fails_the_publish_in_time_and_nothing_is_lost(frail_broker, open_kafka_log):
    log = open_kafka_log(frail_broker.servers, patience=4.0)
    feed(log, 60)
    writer, reader = log.writer("worker"), log.reader("wide", instance="worker")
    got = read(reader, 20)
    waiting = log.reader("other", start=BEGINNING, idle=0.5)
    os.kill(frail_broker.pid, signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(LogUnavailable):
        read(waiting, 1, 15)
    assert time.monotonic() - begun < 13
    begun = time.monotonic()
    with pytest.raises(DeliveryFailed, match=r"no answer within 4 s|Time|timed out"):
        writer.publish([Outgoing("other", r.key, r.value) for r in got], reader.position())
    reader.close()
    writer.close()
    assert time.monotonic() - begun < 15
    os.kill(frail_broker.pid, signal.SIGCONT)
    ended = threading.Event()
    thread, _ = start(log, "worker", ended, instance="worker")
    assert await_echo(log, 60) == 60
    ended.set()
    thread.join(20)
    assert echoed(log, 60) == Counter(range(60))


def test_a_member_that_waits_for_a_frozen_broker_keeps_its_size(frail_broker, open_kafka_log):
    log = open_kafka_log(frail_broker.servers, patience=30.0)
    feed(log, 60)
    reader = log.reader("wide", instance="worker")
    read(reader, 60)
    before = resident()
    os.kill(frail_broker.pid, signal.SIGSTOP)
    deadline = time.monotonic() + 10  # the first heartbeat without an answer is sent after 1.5 s
    with contextlib.suppress(LogUnavailable):  # some client says so before it is over
        while time.monotonic() < deadline:
            reader.poll(10, 0.05)
    grown = resident() - before
    os.kill(frail_broker.pid, signal.SIGCONT)
    assert grown < 25e6


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_broker_that_dies_and_comes_back_loses_and_repeats_nothing(frail_broker, open_kafka_log):
    log = open_kafka_log(frail_broker.servers, patience=4.0)
    feed(log, 2_000)
    ended = threading.Event()
    thread, rebuilt = start(log, "worker", ended, stall=lambda: time.sleep(0.01), instance="worker")
    await_echo(log, 200)
    os.kill(frail_broker.pid, signal.SIGKILL)
    frail_broker.stop()
    begun = time.monotonic()
    with pytest.raises(LogUnavailable, match="no Kafka broker can be reached"):
        log.reader("other", start=BEGINNING)
    assert time.monotonic() - begun < 12
    frail_broker.start()
    assert await_echo(log, 2_000, 60) == 2_000
    ended.set()
    thread.join(30)
    assert rebuilt[0] > 0
    assert echoed(log, 2_000) == Counter(range(2_000))


def await_threads(count):
    deadline = time.monotonic() + 10
    while threading.active_count() > count and time.monotonic() < deadline:
        time.sleep(0.1)
    assert threading.active_count() <= count, [thread.name for thread in threading.enumerate()]


def test_twenty_sessions_leave_no_threads_behind(kafka_log):
    connection, client, before = kafka_log.connection, kafka_log.client, threading.active_count()
    for _ in range(20):
        name = connection.prefix + "session"
        writer = client.writer(connection, name=name, topics=kafka_log.topics)
        reader = client.reader(connection, topics=["plain"], group=connection.prefix + "sessions", instance="0")
        reader.poll(1, 0)
        successor = client.writer(connection, name=name, topics=kafka_log.topics)
        with contextlib.suppress(DeliveryFailed):
            writer.publish([Outgoing("plain", b"k", b"v")], None)
        for used in (reader, writer, successor):
            used.close()
    await_threads(before)


def test_an_unreachable_broker_is_told_in_time(client):
    begun = time.monotonic()
    connection = Connection(servers=["127.0.0.1:1"], patience=5.0)
    with pytest.raises(LogUnavailable, match=r"127.0.0.1:1 .*start it, or correct the address"):
        client.writer(connection, name="name", topics=topics())
    assert time.monotonic() - begun < 12


def test_a_port_that_does_not_speak_kafka_is_given_up_in_time(client, unused_port_that_listens):
    connection = Connection(servers=[f"127.0.0.1:{unused_port_that_listens}"], patience=1.0)
    begun, threads = time.monotonic(), threading.active_count()
    with pytest.raises(LogUnavailable, match="opening a reader"):
        client.reader(connection, topics=["products"], group="g")
    with pytest.raises(LogUnavailable, match="opening the writer"):
        client.writer(connection, name="name", topics=topics())
    with pytest.raises(LogUnavailable, match="creating topics"):
        provision(connection, topics())
    assert time.monotonic() - begun < 20
    await_threads(threads)


def test_polls_that_do_not_wait_get_everything_in_the_end(kafka_log):
    feed(kafka_log, 300)
    reader, records = kafka_log.reader("wide", start=BEGINNING), []
    deadline = time.monotonic() + 10
    while len(records) < 300 and time.monotonic() < deadline:
        records += reader.poll(50, 0.0)
        time.sleep(0.005)
    assert sorted(int(record.value) for record in records) == list(range(300))
