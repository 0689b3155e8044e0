"""What the answers to one query amount to."""

import numpy as np
import pytest

from models.joining import State, as_targets, chances_of, settle
from models.messages import Because, Label, Product, Query

ASKED = ("a", "b")


def label(annotator="x", **fields):
    return Label(query="q", annotator=annotator, **fields)


def query(chance):
    return Query(
        id="q", arrival="products/0/1", product=Product(id="p", title="t"), ask=["a", "b"], chance=chance, scores=b"",
        model=0, policy="iwal", because=Because(disagreement={}, combined=0.0, floor=0.1, scale=1.0, threshold={}),
        priority=0.0, asked_at=1e9, expires_at=2e9,
    )  # fmt: skip


def test_nobody_answered_is_open():
    assert settle([], ASKED, 1).state is State.OPEN


def test_an_absent_output_is_missing_never_no():
    assert settle([label(answers={"a": True})], ASKED, 1).shares == {"a": 1.0}


def test_unsure_teaches_nothing_but_answers():
    settled = settle([label(answers={"a": None})], ASKED, 1)

    assert (settled.state, settled.shares) == (State.ANSWERED, {})


def test_only_the_wanted_number_counts():
    settled = settle([label("x", answers={"a": True}), label("y", answers={"a": False})], ASKED, 1)

    assert (settled.shares, settled.counted) == ({"a": 1.0}, {"x"})


def test_two_wanted_annotators_share_the_target():
    settled = settle([label("x", answers={"a": True}), label("y", answers={"a": False})], ASKED, 2)

    assert settled.shares == {"a": 0.5}


def test_a_skip_holds_nobody_back():
    settled = settle([label("x", skipped=True), label("y", answers={"a": False})], ASKED, 1)

    assert (settled.state, settled.shares) == (State.ANSWERED, {"a": 0.0})


def test_a_skip_alone_is_skipped():
    assert settle([label(skipped=True)], ASKED, 1).state is State.SKIPPED


def test_a_deleted_label_gives_its_place_to_the_next():
    settled = settle([label("x", answers={"a": True}, deleted=True), label("y", answers={"a": False})], ASKED, 1)

    assert settled.counted == {"y"}


def test_answers_that_were_not_asked_are_left_aside():
    assert settle([label(answers={"z": True})], ASKED, 1).state is State.OPEN


def test_targets_are_laid_out_over_the_outputs():
    np.testing.assert_array_equal(as_targets({"b": 1.0}, ("a", "b", "c")), np.float32([np.nan, 1.0, np.nan]))


@pytest.mark.parametrize(("chance", "expected"), [(0.5, [0.5, 0.5, 0.5]), ({"a": 0.2, "b": 0.4}, [0.2, 0.4, 1.0])])
def test_chances_are_those_of_the_query(chance, expected):
    np.testing.assert_allclose(chances_of(query(chance), ("a", "b", "c")), expected)
