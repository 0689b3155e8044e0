"""What only a real Kafka can show: fencing, rebalances, deaths and outages."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.kafka import KafkaReader
from consumers.port import LogRefused, LogUnavailable
from models.records import Outgoing, Position
from producers.connection import Connection
from producers.port import DeliveryFailed, Fenced
from producers.provision import provision
from producers.topics import Topic, topics

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.usefixtures("tidy"),
    pytest.mark.filterwarnings("ignore:unclosed .*socket:ResourceWarning"),
]

BEGINNING = Position(group="own")
HARM = Path(__file__).parents[1] / "shared" / "harm"

WORKER = """
    import os, signal, sys, time
    from producers.connection import Connection
    from producers.topics import Topic
    from models.records import Outgoing

    servers, prefix, client, deadly, count = sys.argv[1:6]
    if client == "confluent":
        from consumers.confluent import ConfluentReader as Reader
        from producers.confluent import ConfluentWriter as Writer
        deadly = "after produce" if deadly == "after send" else deadly
    else:
        from consumers.kafka import KafkaReader as Reader
        from producers.kafka import KafkaWriter as Writer
    if client == "kafka-python apart":
        from producers.apart import ApartWriter as Writer
        sys.path.insert(0, sys.argv[6])
        if deadly.startswith(("before", "after")):
            os.environ["HARM"] = deadly + " 2 SIGKILL"
    topics = {"wide": Topic(name="wide", partitions=3), "other": Topic(name="other")}
    connection = Connection(servers=[servers], prefix=prefix, patience=15.0)
    writer = Writer(connection, name=prefix + "worker", topics=topics)
    reader = Reader(connection, topics=["wide"], group=prefix + "workers", instance="worker-0")

    class Deadly:
        def __init__(self, producer):
            self.producer = producer
            self.calls = 0
        def __getattr__(self, name):
            method = getattr(self.producer, name)
            moment, _, step = deadly.partition(" ")
            if name != step:
                return method
            def call(*arguments, **keywords):
                self.calls += 1
                if self.calls == 2 and moment == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                result = method(*arguments, **keywords)
                if self.calls == 2 and moment == "after":
                    os.kill(os.getpid(), signal.SIGKILL)
                return result
            return call

    if client != "kafka-python apart":
        writer._producer = Deadly(writer._producer)
    if deadly.startswith("during"):
        import threading
        threading.Timer(float(deadly.split()[1]), os.kill, (os.getpid(), signal.SIGKILL)).start()
    done, deadline = 0, time.monotonic() + 30
    while done < int(count) and time.monotonic() < deadline:
        records = reader.poll(20, 0.5)
        if records:
            writer.publish([Outgoing("other", r.key, r.value) for r in records], reader.position())
        elif not sum(reader.lag().values()) and reader.position().offsets:
            break
        done += len(records)
    reader.close()
    writer.close()
"""


def read(reader, count, seconds=20.0):
    records = []
    deadline = time.monotonic() + seconds
    while len(records) < count and time.monotonic() < deadline:
        records += reader.poll(1_000, 0.2)
    return records


def feed(log, count):
    log.writer("feed").publish([Outgoing("wide", None, b"%d" % n, n % 3) for n in range(count)], None)


def echoed(log, count):
    """How often each number came out, for a reader of committed records."""
    watch = log.reader("other", group="watch", start=BEGINNING)
    return Counter(int(record.value) for record in [*read(watch, count), *watch.poll(1_000, 0.5)])


def test_a_member_begins_anew_where_others_have_read_on_while_it_was_away(kafka_log):
    feed(kafka_log, 30)
    reader, writer = kafka_log.reader("wide", group="g"), kafka_log.writer()
    if not isinstance(reader, KafkaReader):
        pytest.skip("the other client forgets its places when it loses partitions")
    read(reader, 30)
    ours = reader.position()
    writer.publish([], ours)
    feed(kafka_log, 900)
    further = {place: at + 200 for place, at in ours.offsets.items()}
    writer.publish([], Position(group=ours.group, offsets=further))  # as a member did that had them meanwhile

    other = kafka_log.reader("wide", group="g")  # so that the group shares its partitions out again
    with pytest.raises(LogUnavailable, match="others have read"):
        poll_in_turns(reader, other, seconds=60)


def test_a_publish_under_way_counts_while_members_come_and_the_next_poll_is_made(kafka_log):
    feed(kafka_log, 900)
    reader, writer = kafka_log.reader("wide", group="g"), kafka_log.writer()
    if not isinstance(reader, KafkaReader):
        pytest.skip("the other client moves on with the group in any poll")
    while not reader.poll(1, 0.5):
        pass
    reader.position()
    ended = threading.Event()
    other = threading.Thread(target=lambda: poll_until(kafka_log.reader("wide", group="g"), ended), daemon=True)
    other.start()
    before, generations, deadline = None, set(), time.monotonic() + 60
    try:
        while len(generations) < 2 and time.monotonic() < deadline:
            records = reader.poll(1, 0.0 if before else 0.5)
            past = reader.position() if records else None
            if before is not None:
                generations.add(before.membership[0].generation_id)
                writer.publish([], before)
            before = past
            time.sleep(0.02)  # the group may want to move meanwhile
    finally:
        ended.set()
        other.join(20)
    assert len(generations) == 2


def poll_until(reader, ended):
    while not ended.is_set():
        reader.poll(1, 0.1)


def poll_in_turns(*readers, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for reader in readers:
            reader.poll(1, 0.1)
            reader.position()  # all that came is published past, as far as the reader knows


STEPS = [
    "before begin_transaction",
    "after begin_transaction",
    "after send",
    "before flush",
    "after flush",
    "after send_offsets_to_transaction",
    "before commit_transaction",
    "after commit_transaction",
    "during 0.06",
    "during 0.15",
]


def test_a_worker_killed_at_any_step_loses_and_repeats_nothing(kafka_log):
    feed(kafka_log, 900)
    servers, prefix = kafka_log.connection.servers[0], kafka_log.connection.prefix
    deaths = []
    for step in [*STEPS, "never"]:
        words = [servers, prefix, kafka_log.client.name, step, "1000", str(HARM)]
        command = [sys.executable, "-c", textwrap.dedent(WORKER), *words]
        deaths.append(subprocess.run(command, timeout=60, check=False).returncode)
    # Of a writer apart only the process that writes is killed at a step; the worker then hears that it is dead.
    by_itself = [1 if kafka_log.client.name == "kafka-python apart" and step[0] != "d" else -9 for step in STEPS]
    assert deaths == [*by_itself, 0]
    assert echoed(kafka_log, 900) == Counter(range(900))


def work(log, name, ended, *, stall=None, **settings):
    """Copy from `wide` to `other` as the service does: on any doubt both clients are dropped and opened again."""
    rebuilt = 0
    while not ended.is_set():
        writer = reader = None
        try:
            prefix, client = log.connection.prefix, log.client
            writer = client.writer(log.connection, name=f"{prefix}{name}", topics=log.topics)
            reader = client.reader(log.connection, topics=["wide"], group=f"{prefix}workers", **settings)
            while not ended.is_set():
                if records := reader.poll(10, 0.1):
                    if stall is not None:
                        stall()
                    writer.publish([Outgoing("other", r.key, r.value) for r in records], reader.position())
        except (DeliveryFailed, LogUnavailable):
            rebuilt += 1
        finally:
            for client in (reader, writer):
                if client is not None:
                    client.close()
    return rebuilt


def start(*arguments, **settings):
    rebuilt = []
    thread = threading.Thread(target=lambda: rebuilt.append(work(*arguments, **settings)), daemon=True)
    thread.start()
    return thread, rebuilt


def await_echo(log, count, seconds=40.0):
    watch = log.reader("other", group="await", start=BEGINNING)
    return len(read(watch, count, seconds))


def test_workers_that_come_and_go_lose_and_repeat_nothing(kafka_log):
    feed(kafka_log, 3_000)
    ended, early = threading.Event(), threading.Event()
    # A member of confluent that closes while it joins leaves its place to its session, as if it had died.
    slow = {"stall": lambda: time.sleep(0.01), "session": 6.0}
    first, _ = start(kafka_log, "first", ended, **slow)
    await_echo(kafka_log, 300)
    second, _ = start(kafka_log, "second", early, **slow)
    await_echo(kafka_log, 900)
    early.set()
    second.join(20)
    assert await_echo(kafka_log, 3_000) == 3_000
    ended.set()
    first.join(20)
    assert echoed(kafka_log, 3_000) == Counter(range(3_000))


def test_a_worker_that_stalls_too_long_is_fenced(kafka_log):
    feed(kafka_log, 60)
    stalls = iter([4.0])
    ended = threading.Event()
    short = {"max_interval": 2.0, "session": 6.0}
    zombie, rebuilt = start(kafka_log, "zombie", ended, stall=lambda: time.sleep(next(stalls, 0)), **short)
    time.sleep(1.0)
    other, _ = start(kafka_log, "other", ended, **short)
    assert await_echo(kafka_log, 60) == 60
    time.sleep(2.0)  # the zombie has woken up and tried
    ended.set()
    zombie.join(20)
    other.join(20)
    assert rebuilt == [1]
    assert echoed(kafka_log, 60) == Counter(range(60))


def test_of_two_writers_of_one_name_the_older_is_fenced(kafka_log):
    older, newer = kafka_log.writer("same"), kafka_log.writer("same")
    with pytest.raises(Fenced, match=r"ProducerFenced|InvalidProducerEpoch|fenced"):
        older.publish([Outgoing("plain", b"k", b"older")], None)
    newer.publish([Outgoing("plain", b"k", b"newer")], None)
    with pytest.raises(DeliveryFailed, match="to be dropped"):
        older.publish([Outgoing("plain", b"k", b"again")], None)
    assert [r.value for r in read(kafka_log.reader("plain", start=BEGINNING), 1)] == [b"newer"]


def test_a_writer_that_has_nothing_but_its_place_to_write_learns_that_it_is_fenced(kafka_log):
    older = kafka_log.writer("same")
    kafka_log.writer("same")
    with pytest.raises(Fenced):
        older.publish([], Position(group=kafka_log.connection.prefix + "own", offsets={("plain", 0): 0}))


def test_a_writer_fenced_in_the_middle_leaves_nothing(kafka_log):
    older = kafka_log.writer("same")
    kafka_log.client.send_half(older, [Outgoing("plain", b"k", b"older")])
    newer = kafka_log.writer("same")
    newer.publish([Outgoing("plain", b"k", b"newer")], None)
    assert [r.value for r in read(kafka_log.reader("plain", start=BEGINNING), 1)] == [b"newer"]


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
    assert time.monotonic() - begun < 10
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
    assert time.monotonic() - begun < 6
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
    assert time.monotonic() - begun < 6


def test_a_port_that_does_not_speak_kafka_is_given_up_in_time(client, unused_port_that_listens):
    connection = Connection(servers=[f"127.0.0.1:{unused_port_that_listens}"], patience=1.0)
    begun, threads = time.monotonic(), threading.active_count()
    with pytest.raises(LogUnavailable, match="opening a reader"):
        client.reader(connection, topics=["products"], group="g")
    with pytest.raises(LogUnavailable, match="opening the writer"):
        client.writer(connection, name="name", topics=topics())
    with pytest.raises(LogUnavailable, match="looking for topics"):
        provision(connection, topics())
    assert time.monotonic() - begun < 8
    await_threads(threads)


def test_polls_that_do_not_wait_get_everything_in_the_end(kafka_log):
    feed(kafka_log, 300)
    reader, records = kafka_log.reader("wide", start=BEGINNING), []
    deadline = time.monotonic() + 10
    while len(records) < 300 and time.monotonic() < deadline:
        records += reader.poll(50, 0.0)
        time.sleep(0.005)
    assert sorted(int(record.value) for record in records) == list(range(300))


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
