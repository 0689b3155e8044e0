"""What only the embedded log does: its file, its faults, its forgetting."""

import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from consumers.port import LogRefused, LogUnavailable
from models.records import Outgoing, Position
from producers.port import DeliveryFailed
from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE, connect, fault
from producers.topics import Topic, topics

BEGINNING = Position(group="own")


def numbered(first, last, topic="plain"):
    return [Outgoing(topic, b"key", b"%d" % number) for number in range(first, last)]


def values(records):
    return [record.value for record in records]


def everything(log, *topics):
    return values(log.reader(*topics, start=BEGINNING).poll(1_000_000, 0))


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


def writer_of(path, **topic):
    clock = Clock()
    return SqliteWriter(path / FILE, topics={"plain": Topic(name="plain", **topic)}, clock=clock), clock


def test_a_log_of_a_newer_version_is_refused(sqlite_log):
    sqlite_log.writer().close()
    with sqlite3.connect(sqlite_log.path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LogRefused, match=r"version 99.*up to 2.*upgrade"):
        sqlite_log.writer()


def test_a_database_of_another_program_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(LogRefused, match="another program"):
        connect(tmp_path / FILE)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database at all" * 1_000)
    with pytest.raises(LogRefused, match=r"damaged.*move it aside"):
        connect(tmp_path / FILE)


def test_a_damaged_page_is_told_when_it_is_read(sqlite_log):
    sqlite_log.writer().publish([Outgoing("plain", b"k", b"x" * 1_000)] * 1_000, None)
    with sqlite3.connect(sqlite_log.path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    sqlite_log.close()
    with sqlite_log.path.open("r+b") as file:
        file.seek(100 * 4_096)
        file.write(b"\xff" * 4_096 * 50)
    with pytest.raises(LogRefused, match="damaged"):
        everything(sqlite_log, "plain")


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(LogRefused, match="does not exist: create it"):
        connect(tmp_path / "nowhere" / FILE)


def test_a_folder_in_the_files_place_is_refused(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(LogRefused, match="cannot be opened"):
        connect(tmp_path / FILE)


def test_a_log_that_may_not_be_written_says_so(sqlite_log):
    sqlite_log.writer()
    db = sqlite3.connect(f"file:{sqlite_log.path}?mode=ro", uri=True)
    with pytest.raises(sqlite3.Error) as raised:
        db.execute("DELETE FROM past")
    db.close()
    reason = fault(sqlite_log.path, raised.value)
    assert isinstance(reason, LogRefused)
    assert "cannot be written" in str(reason)


def test_a_locked_log_is_waited_for_and_then_unavailable(sqlite_log):
    writer = sqlite_log.writer(wait=0.2)
    db = connect(sqlite_log.path)
    db.execute("BEGIN IMMEDIATE")
    with pytest.raises(DeliveryFailed, match="locked by another process"):
        writer.publish(numbered(0, 1), None)
    with pytest.raises(LogUnavailable, match="locked by another process"):
        connect(sqlite_log.path, wait=0.2)
    db.execute("ROLLBACK")
    db.close()
    sqlite_log.writer().publish(numbered(1, 2), None)
    assert everything(sqlite_log, "plain") == [b"1"]


def test_a_full_disk_fails_the_publish_and_nothing_else(sqlite_log):
    writer = sqlite_log.writer()
    writer.publish(numbered(0, 3), None)
    (pages,) = writer._db.execute("PRAGMA page_count").fetchone()
    writer._db.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(DeliveryFailed, match="full: make room"):
        writer.publish([Outgoing("plain", b"k", b"x" * 1_000)] * 1_000, None)
    sqlite_log.writer().publish(numbered(3, 4), None)
    assert everything(sqlite_log, "plain") == [b"0", b"1", b"2", b"3"]


def test_a_newer_reader_deposes_an_older_one_at_once(sqlite_log):
    writer = sqlite_log.writer()
    writer.publish(numbered(0, 2), None)
    older = sqlite_log.reader("plain")
    older.poll(10, 0)
    sqlite_log.reader("plain")
    with pytest.raises(DeliveryFailed, match="others of the group 'group'"):
        writer.publish([], older.position())


def test_offsets_of_ones_own_depose_nobody(sqlite_log):
    writer = sqlite_log.writer()
    writer.publish(numbered(0, 2), None)
    member = sqlite_log.reader("plain")
    member.poll(10, 0)
    sqlite_log.reader("plain", start=BEGINNING)
    writer.publish([], member.position())
    assert dict(member.committed().offsets) == {("plain", 0): 2}


def test_a_member_cannot_seek(sqlite_log):
    with pytest.raises(LogRefused, match="open with `start`"):
        sqlite_log.reader("plain").seek(BEGINNING)


def test_age_is_forgotten_bit_by_bit(tmp_path, sqlite_log):
    writer, clock = writer_of(tmp_path, keep_seconds=100.0)
    writer.publish(numbered(0, 2_500), None)
    clock.now += 101
    writer.publish(numbered(2_500, 2_501), None)
    assert len(everything(sqlite_log, "plain")) == 2_501 - 1_002
    for _ in range(3):
        writer.publish([], None)
    writer.close()
    assert everything(sqlite_log, "plain") == [b"2500"]


def test_bytes_beyond_the_bound_are_forgotten_oldest_first(tmp_path, sqlite_log):
    writer, _ = writer_of(tmp_path, keep_bytes=1_000)
    for number in range(50):
        writer.publish([Outgoing("plain", b"%03d" % number, b"v" * 97)], None)
    writer.close()
    kept = sqlite_log.reader("plain", start=BEGINNING).poll(100, 0)
    assert [record.offset for record in kept] == list(range(40, 50))


def test_a_reader_goes_on_after_what_was_forgotten(tmp_path, sqlite_log):
    writer, _ = writer_of(tmp_path, keep_bytes=1_000)
    reader = sqlite_log.reader("plain", start=BEGINNING)
    for number in range(50):
        writer.publish([Outgoing("plain", b"%03d" % number, b"v" * 97)], None)
    writer.close()
    assert reader.poll(1, 0)[0].offset == 40
    assert reader.lag() == {("plain", 0): 9}


def test_a_compacted_topic_keeps_the_newest_of_each_key(tmp_path, sqlite_log):
    writer, clock = writer_of(tmp_path, compacted=True)
    writer.publish([Outgoing("plain", b"%d" % (n % 3), b"%d" % n) for n in range(30)], None)
    writer.publish([Outgoing("plain", b"1", None)], None)
    for _ in range(20):
        writer.publish([], None)
    assert everything(sqlite_log, "plain") == [b"27", b"29", None]
    clock.now += 90_000
    for _ in range(20):
        writer.publish([], None)
    writer.close()
    assert everything(sqlite_log, "plain") == [b"27", b"29"]


def test_a_compacted_topic_is_never_much_larger_than_twice_what_is_kept_of_it(tmp_path, sqlite_log):
    writer, _ = writer_of(tmp_path, compacted=True)
    sizes = []
    for number in range(40):
        writer.publish([Outgoing("plain", b"%d" % (number % 3), b"%02d" % number * 250_000)], None)
        sizes.append(sum(map(len, everything(sqlite_log, "plain"))))
    writer.close()
    assert max(sizes) <= 2 * 3 * 500_000 + 4_500_000
    assert {value[:2] for value in everything(sqlite_log, "plain")} >= {b"37", b"38", b"39"}


def test_a_topic_may_get_more_partitions(tmp_path, sqlite_log):
    writer, _ = writer_of(tmp_path)
    writer.publish(numbered(0, 3), None)
    writer.close()
    reader = sqlite_log.reader("plain", start=BEGINNING)
    reader.poll(10, 0)
    wider, _ = writer_of(tmp_path, partitions=3)
    wider.publish([Outgoing("plain", None, b"%d" % n, n) for n in range(3)], None)
    wider.close()
    assert sorted(r.arrival for r in reader.poll(10, 0)) == ["plain/0/3", "plain/1/0", "plain/2/0"]


def test_a_poll_holds_back_what_is_too_much_at_once(sqlite_log):
    sqlite_log.writer().publish([Outgoing("plain", b"k", b"x" * 1_900_000)] * 20, None)
    reader = sqlite_log.reader("plain", start=BEGINNING)
    assert [len(reader.poll(1_000, 0)) for _ in range(2)] == [17, 3]


def test_a_backlog_in_one_partition_holds_up_no_other(sqlite_log):
    sqlite_log.writer().publish([*numbered(0, 1_000), *numbered(0, 1, "other")], None)
    reader = sqlite_log.reader("plain", "other", start=BEGINNING)
    assert "other" in {record.topic for _ in range(3) for record in reader.poll(100, 0)}


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


def test_a_log_of_the_version_before_goes_on(sqlite_log):
    writer = sqlite_log.writer()
    writer.publish([Outgoing("plain", b"k", b"%d" % n) for n in range(3)], None)
    with closing(sqlite3.connect(sqlite_log.path, isolation_level=None)) as db:
        for statement in (
            "DROP TABLE members", "DROP TABLE claims", "CREATE TABLE groups (name TEXT, generation INTEGER)",
            "INSERT INTO past VALUES ('group', 'plain', 0, 2)", "PRAGMA user_version = 1",
        ):  # fmt: skip
            db.execute(statement)

    assert [record.value for record in sqlite_log.reader("plain").poll(10, 0.2)] == [b"2"]
