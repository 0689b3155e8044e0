"""Detectors of drift: silent while the feed is stationary, however the model learns; awake when it changes."""

import numpy as np
import pytest

from models.drift import Detectors, Worsening
from models.features import featurise
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.view import View
from models.watched import BLOCK, Yardstick, blocks_of
from service.catalogue import OUTPUTS, generate

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


def measured(*, naive):
    """Alarms on a generated catalogue that stands still, while a model learns from each tenth product of it.

    Args:
        naive: measure by the model that learns, as if it were one and the same all the time.

    """
    settings = LearnerSettings(bits=16, members=2, width=8, sketch=8, hidden=16, memory=2_000, batch=32, rehearsals=4)
    learner = Learner(OUTPUTS, settings, seed=0)
    entries = list(generate(6_400, seed=0, drift_at=2.0))
    yardstick, detectors, found = Yardstick.of(learner.snapshot()), {}, 0
    for first in range(0, len(entries), 64):
        batch = entries[first : first + 64]
        snapshot = learner.snapshot()
        if naive:
            yardstick = Yardstick(snapshot, np.arange(len(OUTPUTS)))
        elif yardstick.worn(snapshot):
            yardstick = Yardstick.of(snapshot)
        view = View.of(featurise([entry.product for entry in batch], bits=16), snapshot)
        version = 0 if naive else yardstick.snapshot.version
        for block in blocks_of(yardstick.told(yardstick.measure(view))):
            watching = detectors.setdefault(version, Detectors(len(block) - 1, DELTA))
            if len(watching.see(block[1:] / block[0])):
                found += 1
                detectors.clear()
        lessons = [
            Lesson(query=entry.product.id, product=entry.product, chance=np.ones(len(OUTPUTS), np.float32),
                   targets=np.array([output in entry.labels for output in OUTPUTS], np.float32))
            for entry in batch[:6]
        ]  # fmt: skip
        learner.update(learner.version + 1, lessons)
    return found


@pytest.mark.slow
def test_a_model_that_learns_from_a_feed_that_stands_still_raises_no_alarm():
    assert measured(naive=False) == 0


@pytest.mark.slow
def test_its_own_scores_would_raise_alarms():
    assert measured(naive=True) > 0
