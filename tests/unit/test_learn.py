"""Labels are joined to their queries in whatever order they come."""

import pytest
from msgspec.structs import replace

from models.coding import decode, encode
from models.faults import LogRefused
from models.joining import Outcome
from models.messages import Product, Query, Reason
from shared.answers import NO, TAUGHT, YES


def test_a_label_teaches_what_was_asked(desk):
    learnt = desk.tell(desk.query("q1"), desk.label("q1", answers=YES))

    assert (learnt.outcomes, learnt.lessons, learnt.batch) == ({Outcome.APPLIED: 1}, 1, 1)
    assert desk.state("q1").shares == TAUGHT


def test_a_label_before_its_query_is_joined_when_the_query_comes(desk):
    early = desk.tell(desk.label("q1", answers=YES))
    later = desk.tell(desk.query("q1"))

    assert (early.outcomes, early.lessons) == ({Outcome.UNKNOWN_QUERY: 1}, 0)
    assert (later.outcomes, later.lessons) == ({Outcome.APPLIED: 1}, 1)


def test_a_query_that_comes_again_changes_nothing(desk):
    desk.tell(desk.query("q1"), desk.label("q1", answers=YES))

    again = desk.tell(desk.query("q1"))

    assert (again.queries, again.lessons, desk.state("q1").shares) == (0, 0, TAUGHT)


def test_a_known_query_about_another_product_tells_that_the_log_has_begun_anew_and_nothing_is_kept(desk):
    desk.tell(desk.query("q1"))
    other = replace(decode(Query, desk.query("q1").value), product=Product(id="other", title="other"))

    with pytest.raises(LogRefused, match="products has begun anew"):
        desk.tell(desk.label("q1", answers=YES), desk.record("queries", "q1", encode(other)))

    assert (desk.ledger.outcomes(), desk.state("q1").state) == ({}, "open")


def test_a_repeated_label_changes_nothing(desk):
    desk.tell(desk.query("q1"), desk.label("q1", answers=YES))

    again = desk.tell(desk.label("q1", answers=YES))

    assert (again.outcomes, again.lessons) == ({Outcome.REPEATED: 1}, 0)


def test_a_correction_replaces(desk):
    desk.tell(desk.query("q1"), desk.label("q1", answers=YES))

    corrected = desk.tell(desk.label("q1", answers=NO))

    assert (corrected.outcomes, corrected.lessons) == ({Outcome.REPLACED: 1}, 1)
    assert desk.state("q1").shares == TAUGHT | {"red": 0.0}


def test_a_deleted_label_opens_the_query_again_and_is_forgotten(desk):
    desk.tell(desk.query("q1"), desk.label("q1", answers=YES))

    deleted = desk.tell(desk.label("q1", deleted=True))

    assert (deleted.outcomes, deleted.lessons) == ({Outcome.DELETED: 1}, 1)
    assert (desk.state("q1").state, desk.state("q1").shares) == ("open", {})


def test_a_second_annotator_is_kept_but_not_learnt_from(desk):
    desk.tell(desk.query("q1"), desk.label("q1", "a", answers=YES))

    second = desk.tell(desk.label("q1", "b", answers=NO))

    assert (second.outcomes, second.lessons) == ({Outcome.SETTLED: 1}, 0)


def test_a_second_annotator_counts_once_the_first_is_deleted(desk):
    desk.tell(desk.query("q1"), desk.label("q1", "a", answers=YES), desk.label("q1", "b", answers=NO))

    desk.tell(desk.label("q1", "a", deleted=True))

    assert (desk.state("q1").state, desk.state("q1").shares["red"]) == ("answered", 0.0)


def test_two_annotators_share_the_target_where_two_are_wanted(desk):
    desk.tell(desk.query("q1"), desk.label("q1", "a", answers=YES), desk.label("q1", "b", answers=NO), wanted=2)

    assert desk.state("q1").shares["red"] == 0.5


def test_a_label_after_the_withdrawal_is_kept_but_not_learnt_from(desk):
    desk.tell(desk.query("q1"), desk.withdrawal("q1"))

    late = desk.tell(desk.label("q1", answers=YES))

    assert (late.outcomes, late.lessons, desk.state("q1").state) == ({Outcome.WITHDRAWN: 1}, 0, "withdrawn")


def test_an_answered_query_cannot_be_withdrawn(desk):
    desk.tell(desk.query("q1"), desk.label("q1", answers=YES), desk.withdrawal("q1"))

    assert desk.state("q1").state == "answered"


def test_an_open_query_expires_once_nothing_older_waits(desk):
    desk.tell(desk.query("q1", expires_at=1.15e9))
    before = desk.state("q1").state
    desk.tell(caught_up=True)

    assert (before, desk.state("q1").state) == ("open", "expired")


def test_a_label_after_the_deadline_is_late_even_before_the_query_is_marked(desk):
    late = desk.tell(desk.query("q1", expires_at=1.05e9), desk.label("q1", answers=YES, at=1.1e9))

    assert (late.outcomes, late.lessons) == ({Outcome.EXPIRED: 1}, 0)


def test_a_label_in_time_counts_however_late_it_is_read(desk):
    learnt = desk.tell(desk.query("q1", expires_at=1.15e9), desk.label("q1", answers=YES, at=1.1e9), now=9e9)

    assert learnt.outcomes == {Outcome.APPLIED: 1}


def test_a_skip_settles_until_somebody_answers(desk):
    desk.tell(desk.query("q1"), desk.label("q1", "a", skipped=True))
    skipped = desk.state("q1").state
    desk.tell(desk.label("q1", "b", answers=YES))

    assert (skipped, desk.state("q1").state) == ("skipped", "answered")


def test_only_asked_outputs_are_learnt(desk):
    learnt = desk.tell(desk.query("q1", ask=("red",), chance={"red": 0.2}), desk.label("q1", answers=YES))

    assert (desk.state("q1").shares, learnt.ignored["not_asked"]) == ({"red": 1.0}, 2)


def test_an_unknown_output_is_counted_and_the_rest_is_used(desk):
    learnt = desk.tell(desk.query("q1"), desk.label("q1", answers={"red": True, "blue": True}))

    assert (learnt.ignored["unknown_output"], desk.state("q1").shares) == (1, {"red": 1.0})


def test_a_label_with_nothing_asked_is_empty(desk):
    assert desk.tell(desk.query("q1"), desk.label("q1", answers={"blue": True})).outcomes == {Outcome.EMPTY: 1}


def test_a_weight_in_a_label_is_ignored(desk, new_desk):
    forged = desk.label("q1", answers=YES)
    forged = forged._replace(value=encode_with(forged.value, weight=1000.0, chance=1e-9))
    desk.tell(desk.query("q1"), forged)
    plain = new_desk_apart(new_desk, desk)
    plain.tell(plain.query("q1"), plain.label("q1", answers=YES))

    assert plain.learner.digest() == desk.learner.digest()


def encode_with(value, **more):
    import msgpack

    return msgpack.packb(msgpack.unpackb(value) | more)


def new_desk_apart(new_desk, other):
    other.folder.rename(other.folder.with_name("other"))
    return new_desk()


def test_a_malformed_label_is_rejected_and_the_batch_goes_on(desk):
    bad = desk.record("labels", "q1", b"\xc1")

    learnt = desk.tell(desk.query("q1"), bad, desk.label("q1", answers=YES))

    assert (learnt.rejected, learnt.lessons) == ({("labels", Reason.UNDECODABLE): 1}, 1)
    assert [record.topic for record in learnt.outgoing] == ["rejections"]
