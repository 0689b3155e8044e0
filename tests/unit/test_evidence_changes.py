"""Answers that change, and the order in which everything comes: the sums follow from the answers alone."""

import itertools
import random

import pytest

from models.sums import nothing
from shared.evidence import NO, OUTPUTS, YES, known, label, query, sums, tally


@pytest.fixture
def another(desk, tmp_path):
    """Desks over folders of their own."""
    made = []

    def make():
        made.append(type(desk)(tmp_path / f"another-{len(made)}"))
        return made[-1]

    yield make
    for each in made:
        each.ledger.close()


CHANGES = {
    "corrected": (({"answers": YES}, {"answers": NO}), {"answers": NO}),
    "answered late": (({"skipped": True}, {"answers": YES}), {"answers": YES}),
    "deleted": (({"answers": YES}, {"deleted": True}), {"skipped": True}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_evaluation_leaves_no_trace_of_what_was_before(desk, another, change):
    steps, end = CHANGES[change]
    straight = another()
    for each in (desk, straight):
        each.tell(tally(each, 0, 9, 1), query(each, 4))

    evaluated = [desk.tell(label(desk, 4, **step)).evaluated for step in steps]
    straight.tell(label(straight, 4, **end))

    assert evaluated == [10, 0]
    assert sums(desk) == sums(straight)


def test_a_second_annotator_after_evaluation_changes_the_share(desk):
    desk.tell(tally(desk, 0, 9, 1), query(desk, 4), label(desk, 4, YES), wanted=2)
    desk.tell(label(desk, 4, NO, annotator="bob"), wanted=2)

    assert known(desk) == {
        "arrivals": 10.0, "correction_positive": -1.0, "yes_positive": 0.5, "answered_positive": 1.0
    }  # fmt: skip


def story(desk):
    """Twelve blocks of two partitions, half of their queries answered in one way or another."""
    draw = random.Random(0)
    for block, partition in itertools.product(range(6), range(2)):
        first = 100 * block
        asked = draw.sample(range(first, first + 100), 5)
        yield tally(desk, first, first + 99, 5, partition=partition)
        yield from (query(desk, offset, partition=partition, chance=draw.uniform(0.125, 1)) for offset in asked)
        for offset in asked:
            answers = {name: draw.choice([True, False, None]) for name in OUTPUTS}
            yield (
                label(desk, offset, answers, partition=partition)
                if draw.random() < 0.8
                else label(desk, offset, skipped=True, partition=partition)
            )


@pytest.mark.parametrize("order", ["reversed", *range(5)])
@pytest.mark.parametrize("burst", [1, 7, 1_000])
def test_the_sums_do_not_depend_on_order_or_on_how_records_are_cut_into_batches(desk, another, order, burst):
    desk.tell(*story(desk))
    shuffled = another()
    records = list(story(shuffled))
    tallies = iter([record for record in records if record.topic == "tallies"])
    if order == "reversed":
        records.reverse()
    else:
        random.Random(order).shuffle(records)
    # The log keeps the order of one partition's tallies.
    records = [next(tallies) if record.topic == "tallies" else record for record in records]

    for start in range(0, len(records), burst):
        shuffled.tell(*records[start : start + burst])

    assert shuffled.ledger.evidence.epoch().n == 1_200
    assert sums(shuffled) == sums(desk)


def test_sums_made_anew_from_every_answer_are_the_same(desk):
    desk.tell(*story(desk))

    assert desk.ledger.evidence.recount(1) == sums(desk) != nothing(3)
