"""Where readers of every log go on: the past of a group, offsets of one's own, members that share."""

import time

import pytest

from consumers.port import LogRefused
from models.records import Outgoing, Position
from producers.port import DeliveryFailed
from shared.numbered import BEGINNING, numbered, read, values


def test_what_was_not_published_past_comes_again(log):
    log.writer().publish(numbered(0, 5), None)
    first = log.reader("plain")
    read(first, 5)
    first.close()
    assert values(read(log.reader("plain"), 5)) == [b"0", b"1", b"2", b"3", b"4"]


def test_what_was_published_past_does_not_come_again(log):
    writer = log.writer()
    writer.publish(numbered(0, 5), None)
    first = log.reader("plain")
    read(first, 5)
    writer.publish([Outgoing("other", b"k", b"done")], first.position())
    first.close()
    writer.publish(numbered(5, 6), None)
    assert values(read(log.reader("plain"), 1)) == [b"5"]
    assert values(read(log.reader("other", group="watch"), 1)) == [b"done"]


def test_a_publish_covers_exactly_the_given_position(log):
    writer = log.writer()
    writer.publish(numbered(0, 6), None)
    first = log.reader("plain")
    polled = []
    while len(polled) < 3:
        polled += first.poll(3 - len(polled), 5.0)
    after_three = first.position()
    assert values(read(first, 3)) == [b"3", b"4", b"5"]
    writer.publish([], after_three)
    first.close()
    assert values(read(log.reader("plain"), 3)) == [b"3", b"4", b"5"]


def test_a_publish_that_died_leaves_the_past_alone(log):
    writer = log.writer()
    writer.publish(numbered(0, 2), None)
    first = log.reader("plain")
    read(first, 2)
    log.publish_half([Outgoing("other", b"k", b"half")])
    first.close()
    assert values(read(log.reader("plain"), 2)) == [b"0", b"1"]


def test_the_past_alone_can_be_published(log):
    writer = log.writer()
    writer.publish(numbered(0, 2), None)
    reader = log.reader("plain")
    read(reader, 2)
    writer.publish([], reader.position())
    assert reader.committed().offsets == reader.position().offsets


def test_groups_do_not_share_their_past(log):
    writer = log.writer()
    writer.publish(numbered(0, 3), None)
    first = log.reader("plain", group="first")
    read(first, 3)
    writer.publish([], first.position())
    assert values(read(log.reader("plain", group="second"), 3)) == [b"0", b"1", b"2"]


def test_a_group_without_a_past_has_an_empty_one(log):
    log.writer().publish(numbered(0, 3), None)
    assert dict(log.reader("plain").committed().offsets) == {}


def test_a_position_names_what_was_polled(log):
    log.writer().publish([*numbered(0, 3), *numbered(0, 2, "other")], None)
    reader = log.reader("plain", "other", start=BEGINNING)
    last = {(record.topic, record.partition): record.offset for record in read(reader, 5)}
    beyond = {place: next_ - last[place] for place, next_ in reader.position().offsets.items()}
    # A transaction's own mark may take the place after the last record.
    assert set(beyond) == {("plain", 0), ("other", 0)}
    assert set(beyond.values()) <= {1, 2}


def test_a_reader_with_offsets_of_its_own_goes_on_at_its_start(log):
    log.writer().publish([*numbered(0, 5), *numbered(0, 2, "other")], None)
    reader = log.reader("plain", "other", start=Position(group="own", offsets={("plain", 0): 3}))
    got = read(reader, 4)
    assert sorted(r.arrival for r in got) == ["other/0/0", "other/0/1", "plain/0/3", "plain/0/4"]


def test_a_reader_with_offsets_of_its_own_ignores_the_past_of_its_group(log):
    writer = log.writer()
    writer.publish(numbered(0, 3), None)
    first = log.reader("plain", group="own", start=BEGINNING)
    read(first, 3)
    writer.publish([], first.position())
    first.close()
    second = log.reader("plain", group="own", start=BEGINNING)
    assert values(read(second, 3)) == [b"0", b"1", b"2"]
    assert second.committed().offsets == second.position().offsets


def test_seeking_goes_back_and_forth(log):
    log.writer().publish(numbered(0, 4), None)
    reader = log.reader("plain", start=BEGINNING)
    read(reader, 4)
    end = reader.position()
    reader.seek(Position(group="own", offsets={("plain", 0): 2}))
    assert values(read(reader, 2)) == [b"2", b"3"]
    reader.seek(BEGINNING)
    assert values(read(reader, 4)) == [b"0", b"1", b"2", b"3"]
    reader.seek(end)
    assert reader.poll(10, 0.3) == []


def test_starting_beyond_the_end_is_refused(log):
    log.writer().publish(numbered(0, 2), None)
    with pytest.raises(LogRefused, match=r"plain.0.*ends at"):
        log.reader("plain", start=Position(group="own", offsets={("plain", 0): 1_000}))


def test_lag_counts_what_was_not_polled(log):
    log.writer().publish(numbered(0, 10), None)
    reader = log.reader("plain", start=BEGINNING)
    polled = len(reader.poll(4, 5.0))
    # A transaction's own mark may take a place in the log.
    assert reader.lag()["plain", 0] - (10 - polled) in (0, 1)


def test_lag_ends_at_nothing(log):
    log.writer().publish(numbered(0, 10), None)
    reader = log.reader("plain", start=BEGINNING)
    read(reader, 10)
    reader.poll(10, 0.3)
    assert reader.lag()["plain", 0] in (0, 1)


def test_an_older_reader_of_a_group_cannot_publish_past_a_newer_one(log):
    writer = log.writer("older")
    writer.publish(numbered(0, 3), None)
    older = log.reader("plain")
    read(older, 3)
    stale = older.position()
    newer = log.take_over("plain", older)
    with pytest.raises(DeliveryFailed):
        writer.publish([Outgoing("other", b"k", b"from the older")], stale)
    log.writer("older")  # as the older process does next
    log.writer("newer").publish([Outgoing("other", b"k", b"from the newer")], newer.position())
    assert values(read(log.reader("other", group="watch"), 1)) == [b"from the newer"]


def shared(writer, members, count, seconds=60.0):
    """What members of one group read, each publishing past it, until `count` have come; by member."""
    got = [[] for _ in members]
    deadline = time.monotonic() + seconds
    while sum(map(len, got)) < count and time.monotonic() < deadline:
        for member, mine in zip(members, got, strict=True):
            records = member.poll(5, 0.05)
            writer.publish([Outgoing("other", b"k", r.value) for r in records], member.position() if records else None)
            mine.extend(records)
    return got


def wide(first, last):
    return [Outgoing("wide", b"key", b"%d" % number, number % 3) for number in range(first, last)]


def test_members_of_a_group_share_the_partitions_and_each_record_comes_once(log):
    writer, members = log.writer(), [log.reader("wide", instance="a")]
    writer.publish(wide(0, 30), None)
    alone = shared(writer, members, 30)
    members.append(log.reader("wide", instance="b"))
    deadline = time.monotonic() + 60
    while not all(member.position().offsets for member in members) and time.monotonic() < deadline:
        assert shared(writer, members, 1, seconds=0.2) == [[], []]
    writer.publish(wide(30, 330), None)
    got = shared(writer, members, 300)

    places = [{record.partition for record in mine} for mine in got]
    assert sorted(int(record.value) for record in [*alone[0], *got[0], *got[1]]) == list(range(330))
    assert (places[0] & places[1], places[0] | places[1], all(places)) == (set(), {0, 1, 2}, True)


def test_what_a_member_had_goes_to_the_others_when_it_leaves(log):
    writer, members = log.writer(), [log.reader("wide", instance="a"), log.reader("wide", instance="b")]
    writer.publish(wide(0, 30), None)
    got = shared(writer, members, 30)
    members.pop().close()
    writer.publish(wide(30, 60), None)
    more = shared(writer, members, 30)

    assert sorted(int(r.value) for mine in [*got, *more] for r in mine) == list(range(60))


def test_closing_twice_is_closing_once(log):
    writer, reader = log.writer(), log.reader("plain")
    for client in (writer, reader, writer, reader):
        client.close()
