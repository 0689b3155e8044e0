"""What only a real Kafka can show: fencing, rebalances, deaths and outages."""

import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from consumers.client import is_to_join
from consumers.kafka import KafkaReader
from consumers.port import LogUnavailable
from models.records import Outgoing, Position
from producers.port import DeliveryFailed, Fenced
from shared.numbered import BEGINNING, await_echo, echoed, feed, read, start

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.usefixtures("tidy"),
]


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


@pytest.mark.parametrize("asked", ["in time", "too early"])
def test_a_publish_under_way_counts_while_members_come_and_the_next_poll_is_made(kafka_log, monkeypatch, asked):
    feed(kafka_log, 900)
    reader, writer = kafka_log.reader("wide", group="g"), kafka_log.writer()
    if not isinstance(reader, KafkaReader):
        pytest.skip("the other client moves on with the group in any poll")
    while not reader.poll(1, 0.5):
        pass
    reader.position()
    if asked == "too early":  # the group may want to move right after it was asked
        told = [False]
        monkeypatch.setattr("consumers.kafka.is_to_join", lambda client: told.append(is_to_join(client)) or told.pop(0))
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
