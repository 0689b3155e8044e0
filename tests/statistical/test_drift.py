"""Detectors of drift: silent while the feed is stationary, however the model learns; awake when it changes."""

import numpy as np
import pytest

from models.drift import Detectors, Worsening
from models.watched import BLOCK

PRODUCTS = 100_000
SIGNALS = 51
DELTA = 0.002


def blocks(rng, blocks_, *, shift=0.0):
    """Means over blocks of scores of outputs from rare to common, of beta distributions as skewed as real scores."""
    means = np.geomspace(0.01, 0.4, SIGNALS)
    means = np.clip(means * (1.0 + shift), 0.0, 1.0)
    return rng.beta(0.3 * means, 0.3 * (1.0 - means), (blocks_, BLOCK, SIGNALS)).mean(axis=1)


def alarms(rows):
    detectors, found = Detectors(SIGNALS, DELTA), []
    for number, row in enumerate(rows):
        if len(detectors.see(row)):
            found.append(number)
            detectors = Detectors(SIGNALS, DELTA)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_at_most_one_false_alarm_in_a_hundred_thousand_products(seed):
    rows = blocks(np.random.default_rng(seed), PRODUCTS // BLOCK)

    assert len(alarms(rows)) <= 1


def test_a_model_that_learns_would_alarm_if_its_own_scores_were_watched():
    # The same arrivals, scored by a model that grows surer: its mean scores approach the prevalences from twice them.
    rng = np.random.default_rng(0)
    steps = PRODUCTS // BLOCK
    learning = np.concatenate([blocks(rng, 125, shift=0.5 * np.exp(-done / 12.0)) for done in range(steps // 125)])

    assert len(alarms(learning)) > 1


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_of_a_third_in_all_scores_is_found_within_five_thousand_products(seed):
    rng = np.random.default_rng(seed)
    before, after = 10_000 // BLOCK, 5_000 // BLOCK
    rows = np.concatenate([blocks(rng, before), blocks(rng, after, shift=-0.33)])

    found = alarms(rows)

    assert [number >= before for number in found] == [True]


def test_mistakes_that_become_more_are_found_and_those_that_become_fewer_are_not():
    def found(first, then):
        rng = np.random.default_rng(0)
        detector = Worsening(DELTA)
        return [detector.see(wrong=wrong) for p in (first, then) for wrong in (rng.random(2_000) < p)].count(True)

    assert (found(0.1, 0.2) > 0, found(0.2, 0.1), found(0.1, 0.1)) == (True, 0, 0)
