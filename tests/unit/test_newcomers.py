"""A learner that comes in late has learnt from what came since, and from nothing else."""

from dataclasses import replace

import pytest

from service.kinds import new_learner
from service.newcomers import Newcomer
from shared.lessons import OUTPUTS, SMALL, lesson, taught, withdrawn

SINCE = 4
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=["askance", "river"])
def settings(request):
    return replace(SMALL, kind=request.param, river_members=2, river_bits=12)


def lessons(number):
    return [lesson(number * 5 + i) for i in range(5)]


def newcomer(settings, batches):
    learner = Newcomer(new_learner(OUTPUTS, settings, seed=1), SINCE)
    for number in range(1, batches + 1):
        learner.update(number, lessons(number))
    return learner


def test_what_came_before_teaches_it_nothing_and_what_comes_after_teaches_it_all(settings):
    other = new_learner(OUTPUTS, settings, seed=1)
    for number in range(1, 9):
        other.update(number, lessons(number) if number >= SINCE else [])

    assert newcomer(settings, 8).digest() == other.digest() != taught(8, settings).digest()


def test_it_may_be_stopped_before_it_comes_in_and_after(settings):
    for stop in (2, 6):
        resumed = Newcomer(new_learner(OUTPUTS, settings, seed=1), SINCE)
        resumed.restore({name: value.clone() for name, value in newcomer(settings, stop).state().items()})
        for number in range(stop + 1, 9):
            resumed.update(number, lessons(number))

        assert (resumed.version, resumed.digest()) == (8, newcomer(settings, 8).digest())


def test_outputs_change_and_scores_are_calibrated_before_it_comes_in_too(settings):
    learner = newcomer(settings, 1)
    learner.recalibrate(2, 16)
    learner.change_outputs(3, ("new", *OUTPUTS))

    assert (learner.version, learner.outputs) == (3, ("new", *OUTPUTS))


def test_an_answer_withdrawn_that_it_never_learnt_is_nothing_to_it(settings):
    one, other = newcomer(settings, 5), newcomer(settings, 5)
    one.update(6, [withdrawn("q7")])
    other.update(6, [])

    assert one.digest() == other.digest()
