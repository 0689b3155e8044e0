"""Labels are joined to their queries in whatever order they come."""

import itertools

import numpy as np
import pytest
from msgspec.structs import replace

from models.coding import decode, encode
from models.faults import LogRefused
from models.joining import Outcome
from models.messages import Product, Query, Reason, Tally
from service.checkpoints import rebuild
from service.ledger import Ledger

YES = {"red": True, "shoe": True, "rare": False}
NO = {"red": False, "shoe": True, "rare": False}
TAUGHT = {"red": 1.0, "shoe": 1.0, "rare": 0.0}


def balanced(desk):
    balance = desk.ledger.balance()
    return balance == desk.ledger.recount() and balance["issued"] == sum(
        n for name, n in balance.items() if name != "issued"
    )


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


def test_what_is_to_be_sent_is_kept_until_it_is_sent(desk):
    learnt = desk.tell(desk.record("labels", "q1", b"\xc1"))
    kept = desk.ledger.outbox()
    desk.ledger.sent()

    assert (kept, desk.ledger.outbox()) == (learnt.outgoing, ())


def test_tallies_add_up_and_carry_the_scale(desk):
    tally = Tally(
        topic="products", partition=0, first=0, last=9, model=0, policy="iwal", n=10, asked=2, chance=1.5, scale=0.7,
        outputs={}, at=1.1e9,
    )  # fmt: skip
    desk.tell(*(desk.record("tallies", "products/0", encode(tally)) for _ in range(2)))

    assert (desk.ledger.traffic.totals(), desk.ledger.traffic.scale()) == ((20, 4, 3.0), 0.7)


STORY = (
    ("query", "q1", {}),
    ("label", "q1", {"annotator": "a", "answers": YES}),
    ("label", "q1", {"annotator": "a", "answers": NO}),
    ("label", "q1", {"annotator": "b", "answers": YES}),
    ("withdrawal", "q1", {}),
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(STORY))))[::7])
def test_every_order_keeps_the_balance_and_rebuilds_to_the_same_model(desk, order):
    for place in order:
        kind, identity, fields = STORY[place]
        desk.tell(getattr(desk, kind)(identity, **fields))

    again = rebuild(desk.ledger, lambda outputs: type(desk.learner)(outputs, desk.learner.settings, seed=0))

    assert balanced(desk)
    assert again.digest() == desk.learner.digest()


def test_the_weight_comes_from_the_ledger(desk):
    desk.tell(desk.query("q1", chance=0.25), desk.label("q1", answers=YES))
    (batch,) = desk.ledger.batches.after(0)

    assert (batch.lessons[0][0].chance, dict(batch.lessons[0][1])) == (0.25, TAUGHT)


def test_the_place_read_to_is_kept_with_what_was_read(desk, new_desk):
    desk.tell(desk.query("q1"), desk.label("q1", answers=YES))
    told = dict(desk.told)
    desk.ledger.close()

    assert new_desk().ledger.position("g").offsets == told


class Powerless(Ledger):
    """The power goes after the answers are written and before the step is whole."""

    def put_out(self, records):
        raise RuntimeError(f"the power went before {len(records)} records")


def test_a_step_that_fails_before_its_end_leaves_nothing(desk):
    desk.tell(desk.query("q1"))
    desk.ledger.close()
    desk.ledger = Powerless(desk.folder)
    before = (desk.ledger.balance(), desk.ledger.batches.last(), dict(desk.ledger.position("g").offsets))

    with pytest.raises(RuntimeError):
        desk.tell(desk.label("q1", answers=YES))

    assert (desk.ledger.balance(), desk.ledger.batches.last(), dict(desk.ledger.position("g").offsets)) == before


def test_learning_moves_the_scores(desk):
    for n in range(12):
        title = "red shoe" if n % 2 else "blue hat"
        desk.tell(desk.query(f"q{n}", title=f"{title} number {n}"), desk.label(f"q{n}", answers=YES if n % 2 else NO))
    from models.features import featurise
    from models.messages import Product

    snapshot = desk.learner.snapshot()
    scores = snapshot.members(
        featurise([Product(id="1", title="red shoe"), Product(id="2", title="blue hat")], bits=snapshot.bits)
    ).mean(axis=2)

    assert scores[0, 0] > scores[1, 0] + np.float32(0.2)
