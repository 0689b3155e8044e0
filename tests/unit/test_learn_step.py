"""What a step of learning keeps, sends and leaves, in whatever order answers come."""

import itertools

import numpy as np
import pytest

from models.coding import encode
from models.messages import Product, Tally
from service.checkpoints import rebuild
from service.ledger import Ledger
from shared.answers import NO, TAUGHT, YES, balanced


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

    snapshot = desk.learner.snapshot()
    scores = snapshot.members(
        featurise([Product(id="1", title="red shoe"), Product(id="2", title="blue hat")], bits=snapshot.bits)
    ).mean(axis=2)

    assert scores[0, 0] > scores[1, 0] + np.float32(0.2)
