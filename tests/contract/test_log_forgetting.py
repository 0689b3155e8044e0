"""What the embedded log forgets, and when."""

from models.records import Outgoing
from shared.embedded import everything, writer_of
from shared.numbered import BEGINNING, numbered


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
