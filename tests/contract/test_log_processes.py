"""The embedded log between processes: those that write at once, those that are killed, members that share."""

import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from consumers.port import LogUnavailable
from models.records import Outgoing
from producers.port import DeliveryFailed
from producers.sqlite import SqliteWriter
from producers.topics import topics
from shared.numbered import BEGINNING, numbered, values


def everything(log, *topics):
    return values(log.reader(*topics, start=BEGINNING).poll(1_000_000, 0))


PUBLISHER = """
    import sys, itertools
    from pathlib import Path
    from models.records import Outgoing
    from producers.sqlite import SqliteWriter
    from producers.topics import Topic
    topics = {name: Topic(name=name) for name in ("plain", "other")}
    writer = SqliteWriter(Path(sys.argv[1]), topics=topics)
    for number in range(int(sys.argv[2])):
        writer.publish([Outgoing(topic, b"k", b"%d" % number) for topic in ("plain", "other") for _ in range(25)], None)
        print(number, flush=True)
"""


def publisher(log, count):
    command = [sys.executable, "-c", textwrap.dedent(PUBLISHER), str(log.path), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_publisher_leaves_whole_publishes_only(sqlite_log):
    for _ in range(5):
        process = publisher(sqlite_log, 1_000_000)
        process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        promised = 1 + process.communicate()[0].count("\n")
        records = sqlite_log.reader("plain", "other", start=BEGINNING).poll(1_000_000, 0)
        assert len(records) % 50 == 0
        assert len(records) >= 50 * promised
        sqlite_log.writer().close()


def test_processes_write_at_once_and_none_is_lost(sqlite_log):
    sqlite_log.writer().close()
    processes = [publisher(sqlite_log, 40) for _ in range(4)]
    assert [(process.communicate(timeout=60), process.returncode)[1] for process in processes] == [0] * 4
    records = sqlite_log.reader("plain", start=BEGINNING).poll(1_000_000, 0)
    assert [record.offset for record in records] == list(range(4 * 40 * 25))


def test_many_may_make_the_log_at_once(tmp_path):
    def made(path):
        SqliteWriter(path, topics=topics()).close()
        return True

    with ThreadPoolExecutor(8) as pool:
        for turn in range(25):
            path = tmp_path / f"{turn}.sqlite"
            assert all(pool.map(made, [path] * 8))


def test_what_a_dead_member_had_goes_to_the_others_once_its_lease_is_over(sqlite_log):
    writer = sqlite_log.writer()
    writer.publish([Outgoing("wide", b"k", b"%d" % n, n) for n in range(3)], None)
    dead = sqlite_log.reader("wide", instance="dead", lease=0.5)
    dead.poll(1, 0.0)
    stale = dead.position()
    heir = sqlite_log.reader("wide", instance="heir", lease=0.5)
    early = heir.poll(10, 0.0)
    time.sleep(0.6)
    late = heir.poll(10, 0.0)

    assert (early, sorted(int(record.value) for record in late)) == ([], [0, 1, 2])
    assert dead.poll(10, 0.0) == []
    with pytest.raises(DeliveryFailed, match="others of the group 'group'"):
        writer.publish([], stale)


def test_a_member_that_finds_its_part_gone_before_it_has_published_starts_over(sqlite_log):
    writer = sqlite_log.writer()
    writer.publish(numbered(0, 2), None)
    stalled = sqlite_log.reader("plain", instance="stalled", lease=0.2)
    stalled.poll(10, 0.0)
    time.sleep(0.3)
    assert len(sqlite_log.reader("plain", instance="other", lease=0.2).poll(10, 0.0)) == 2

    with pytest.raises(LogUnavailable, match="another member"):
        stalled.poll(10, 0.0)
