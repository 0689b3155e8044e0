"""What only the embedded log does: its file and its faults."""

import sqlite3
from contextlib import closing

import pytest

from consumers.port import LogRefused, LogUnavailable
from models.records import Outgoing
from producers.port import DeliveryFailed
from producers.sqlite_file import FILE, connect, fault
from shared.embedded import everything, writer_of
from shared.numbered import BEGINNING, numbered


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
