"""What is watched for drift is told by a model that stands still, in blocks of bounded size."""

import dataclasses

import numpy as np
import pytest

from models.features import featurise
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.messages import Product, Signals
from models.view import View
from models.watched import BLOCK, LOOK, MOST, Yardstick, blocks_of, names_of, sample

OUTPUTS = ("red", "shoe")
SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=4, memory=200, batch=16, rehearsals=2)
PRODUCTS = [Product(id=f"p{i}", title=f"{('red', 'blue')[i % 2]} {('shoe', 'hat')[i % 3 == 0]} {i}") for i in range(40)]


def taught(learner, number, products):
    lessons = [
        Lesson(query=p.id, product=p, targets=np.array(["red" in p.title, "shoe" in p.title], np.float32),
               chance=np.ones(2, np.float32))
        for p in products
    ]  # fmt: skip
    learner.update(number, lessons)
    return learner.snapshot()


@pytest.fixture(scope="module")
def snapshots():
    learner = Learner(OUTPUTS, SMALL, seed=0)
    return taught(learner, 1, PRODUCTS[:20]), taught(learner, 2, PRODUCTS[20:])


FEATURES = featurise(PRODUCTS, bits=12)


def test_a_yardstick_measures_the_same_whatever_the_model_has_learnt_since(snapshots):
    old, new = snapshots
    yardstick = Yardstick.of(old)

    while_it_served = yardstick.measure(View.of(FEATURES, old))
    later = yardstick.measure(View.of(FEATURES, new))

    assert np.array_equal(while_it_served, later)
    assert not np.array_equal(later, Yardstick.of(new).measure(View.of(FEATURES, new)))


def test_signals_but_the_look_lie_between_zero_and_one(snapshots):
    measured = Yardstick.of(snapshots[1]).measure(View.of(FEATURES, snapshots[1]))[:, LOOK:]

    assert ((measured >= 0.0) & (measured <= 1.0)).all()


def test_features_never_learnt_from_are_unknown(snapshots):
    known, strange = featurise([PRODUCTS[0], Product(id="x", title="Gartenzwerg")], bits=12), LOOK
    measured = Yardstick.of(snapshots[0]).measure(View.of(known, snapshots[0]))[:, strange]

    assert (measured[0], measured[1] > 0.9) == (0.0, True)


def test_a_message_tells_the_sums_of_blocks(snapshots):
    yardstick = Yardstick.of(snapshots[0])
    measured = yardstick.measure(View.of(FEATURES, snapshots[0]))

    blocks = blocks_of(yardstick.told(measured))

    assert blocks[:, 0].tolist() == [16.0, 16.0, 8.0]
    assert blocks[:, 1:].sum(axis=0) == pytest.approx(measured.sum(axis=0), rel=1e-5, abs=1e-5)


def test_a_message_is_bounded_however_many_the_arrivals(snapshots):
    yardstick = Yardstick.of(snapshots[0])

    told = yardstick.told(np.ones((100_000, LOOK + 2 + len(OUTPUTS))))

    assert (len(told.blocks) <= 64 * 4 * (1 + LOOK + 2 + 32), blocks_of(told)[:, 0].sum()) == (True, 100_000)


@pytest.mark.parametrize("arrivals", [0, 1, MOST, MOST + 1, 3 * MOST, 10 * MOST + 7])
def test_of_a_batch_all_are_measured_or_one_of_every_few(arrivals):
    step = max(1, -(-arrivals // MOST))

    assert (sample(arrivals) // step).tolist() == list(range(-(-arrivals // step)))


@pytest.mark.parametrize("turns", [2, 3, 4, 6])
def test_what_comes_in_turn_is_measured_in_equal_parts(turns):
    counts = np.bincount(sample(4 * MOST) % turns, minlength=turns)

    deviation = np.sqrt(
        MOST / turns * (1.0 - 1.0 / turns)
    )  # of a part drawn at random; in step it would be off by more
    assert counts.tolist() == pytest.approx([MOST / turns] * turns, abs=3.0 * deviation)
    in_step = np.bincount(np.arange(0, 4 * MOST, 4) % turns, minlength=turns)
    assert turns % 2 or in_step.tolist() != pytest.approx([MOST / turns] * turns, abs=3.0 * deviation)


def test_only_the_outputs_of_most_positives_are_watched(snapshots):
    many = dataclasses.replace(
        snapshots[0], outputs=tuple(f"o{k}" for k in range(100)), prevalence=np.arange(100.0) / 100.0
    )

    assert Yardstick.of(many).busiest.tolist() == list(range(68, 100))


def test_a_yardstick_is_worn_when_the_model_has_had_four_times_the_batches(snapshots):
    first, later = (dataclasses.replace(snapshots[0], version=version) for version in (10, 40))

    assert (Yardstick.of(first).worn(later), Yardstick.of(first).worn(first)) == (True, False)


def test_damaged_blocks_tell_nothing():
    names = ["red"]
    width = 1 + len(names_of(names))
    empty = np.full(width, np.nan, "<f4")
    empty[0] = BLOCK

    assert len(blocks_of(Signals(yardstick=1, outputs=names, blocks=b"123"))) == 0
    assert len(blocks_of(Signals(yardstick=1, outputs=names, blocks=empty.tobytes()))) == 0
