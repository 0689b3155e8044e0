"""The table of what a doubling of the labels brought."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gains(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("gains")


@pytest.fixture
def served(gains):
    """A model that is wrong about every other product at first, and about fewer in each stretch."""
    place = np.arange(9_216)
    truth = np.stack([place % 4 == 0, place % 50 == 0], axis=1)
    every = 2 ** (1 + np.array([gains.stretch_at(int(i)) for i in place]))
    wrong = place % every == 0
    positive = truth ^ wrong[:, None]
    scores = np.where(positive, 0.8, 0.1)
    disagreement = np.where(wrong, 0.9, 0.1)[:, None] * np.ones(2)
    return gains.Served("toys", 0.05, scores, positive, truth, disagreement)


def test_with_every_answer_known_the_estimate_is_the_gain(gains, served):
    first, second, *_ = gains.stretches(served, np.ones(len(served.truth)))[1:]

    found = gains.avoided(first.sums, second.sums, past=first.sums, floor=1.0, alpha=0.05)
    assert found.estimate == pytest.approx([125.0, 125.0], abs=0.01)


def test_only_what_the_coins_asked_about_has_a_chance(gains, served):
    chance = gains.chances(served)

    assert np.nanmin(chance) >= served.floor
    assert 0.05 < (~np.isnan(chance)).mean() < 0.2


def test_there_is_a_row_of_common_outputs_and_one_of_the_others_with_the_gain_there_was(gains, served):
    cells = list(gains.rows(served))

    # From every eighth to every sixteenth of 1,000; afterwards to every thirty-second.
    assert [row[3] for row in cells] == ["1 common", "1 others"]
    assert [(row[4], row[5], row[11], row[12]) for row in cells] == [("62", "62", "1 of 1", "31")] * 2


def test_a_stream_too_short_for_a_doubling_has_no_row(gains, served):
    short = gains.Served(
        "toys",
        0.05,
        *(column[:4_000] for column in (served.scores, served.positive, served.truth, served.disagreement)),
    )

    assert list(gains.rows(short)) == []
