"""What every log does with what is written to it. No rule here knows which log it is."""

import time

import pytest

from models.records import Outgoing
from producers.port import RecordRefused
from shared.numbered import BEGINNING, numbered, read, values


@pytest.mark.parametrize("value", [b"", b"\x00\xff" * 500, bytes(range(256)), "ä€𝄞".encode(), b"x" * 900_000, None])
def test_what_is_sent_comes_back_unchanged(log, value):
    log.writer().publish([Outgoing("plain", b"\x00k\xff", value)], None)
    (record,) = read(log.reader("plain"), 1)
    assert (record.topic, record.partition, record.key, record.value) == ("plain", 0, b"\x00k\xff", value)


def test_a_record_may_have_no_key(log):
    log.writer().publish([Outgoing("wide", None, b"v")], None)
    assert [record.key for record in read(log.reader("wide"), 1)] == [None]


def test_the_content_type_travels_along(log):
    types = ["", "application/json", "application/msgpack"]
    log.writer().publish([Outgoing("plain", b"k", b"v", content_type=type_) for type_ in types], None)
    assert [record.content_type for record in read(log.reader("plain"), 3)] == types


def test_a_record_bears_the_time_of_its_writing(log):
    before = time.time()
    log.writer().publish(numbered(0, 1), None)
    (record,) = read(log.reader("plain"), 1)
    assert before - 1 <= record.at <= time.time() + 1


def test_the_partition_asked_for_is_the_one_written(log):
    log.writer().publish([Outgoing("wide", b"same", b"%d" % n, partition=n) for n in (2, 0, 1)], None)
    assert {(record.partition, record.value) for record in read(log.reader("wide"), 3)} == {
        (0, b"0"),
        (1, b"1"),
        (2, b"2"),
    }


def test_records_of_one_key_keep_their_order(log):
    sent = [Outgoing("wide", b"key %d" % (n % 7), b"%d" % n) for n in range(700)]
    writer = log.writer()
    for start in range(0, 700, 100):
        writer.publish(sent[start : start + 100], None)
    got = read(log.reader("wide"), 700)
    for key in {record.key for record in sent}:
        assert values(r for r in got if r.key == key) == values(r for r in sent if r.key == key)
        assert len({r.partition for r in got if r.key == key}) == 1


def test_offsets_grow_within_a_partition(log):
    log.writer().publish(numbered(0, 50), None)
    offsets = [record.offset for record in read(log.reader("plain"), 50)]
    assert offsets == sorted(set(offsets))


def test_a_reader_may_open_before_anything_is_written(log):
    reader = log.reader("plain")
    assert reader.poll(10, 0.1) == []
    log.writer().publish(numbered(0, 3), None)
    assert values(read(reader, 3)) == [b"0", b"1", b"2"]


def test_polling_an_empty_log_returns_within_the_timeout(log):
    log.writer()
    reader = log.reader("plain", start=BEGINNING)
    reader.poll(10, 2.0)
    begun = time.monotonic()
    assert reader.poll(10, 0.3) == []
    assert 0.2 <= time.monotonic() - begun < 3.0


def test_a_poll_returns_no_more_than_its_limit(log):
    log.writer().publish(numbered(0, 10), None)
    reader = log.reader("plain")
    counts = []
    while sum(counts) < 10:
        counts.append(len(reader.poll(4, 5.0)))
    assert max(counts) <= 4


def test_a_poll_wakes_up_when_something_is_written(log):
    writer, reader = log.writer(), log.reader("plain", start=BEGINNING)
    reader.poll(10, 0.5)
    writer.publish(numbered(0, 1), None)
    begun = time.monotonic()
    assert values(reader.poll(10, 10.0)) == [b"0"]
    assert time.monotonic() - begun < 5.0


def test_nothing_of_a_publish_that_died_is_ever_seen(log):
    log.writer().publish(numbered(0, 2), None)
    log.publish_half(numbered(2, 5) + numbered(2, 5, "other"))
    log.writer().publish([*numbered(5, 6), *numbered(5, 6, "other")], None)
    assert sorted(values(read(log.reader("plain", "other"), 4))) == [b"0", b"1", b"5", b"5"]


def test_nothing_of_a_refused_publish_is_seen(log):
    writer = log.writer()
    with pytest.raises(RecordRefused, match="nowhere"):
        writer.publish([*numbered(0, 3), Outgoing("nowhere", b"k", b"v")], None)
    writer.publish(numbered(3, 4), None)
    assert values(read(log.reader("plain"), 1)) == [b"3"]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (Outgoing("plain", b"k", b"x" * 2_000_001), "2000002 bytes; at most 2000000"),
        (Outgoing("compact", None, b"v"), "needs a key"),
        (Outgoing("plain", b"k", b"v", partition=1), "1 partitions"),
    ],
)
def test_a_record_that_cannot_be_taken_is_refused_by_name(log, record, why):
    writer = log.writer()
    with pytest.raises(RecordRefused, match=why):
        writer.publish([record], None)
    writer.publish(numbered(0, 1), None)
    assert values(read(log.reader("plain"), 1)) == [b"0"]
