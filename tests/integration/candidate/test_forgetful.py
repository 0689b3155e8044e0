"""Candidates that learn only from answers since they began: by themselves after drift, or by hand."""

import pytest

from service.challenges import Outcome, Wish
from shared.trial import Killed, Shop, compared

FORGETFUL = {"drift.candidate": True, "drift.arrivals": 100}


@pytest.fixture
def turning(tmp_path):
    """From the 300th product on, what is red is not, and the other way round; after a drift a candidate forgets."""
    return Shop(tmp_path / "turning", arrivals=700, turns=(300,), **FORGETFUL)


@pytest.mark.slow
def test_answers_that_turn_round_bring_a_model_that_forgets_and_restarts_keep_it(turning):
    live = turning.serve(110)

    _, candidate, epochs = turning.known()
    (before, since), drifts = turning.since()
    assert (candidate.outcome, candidate.recipe.since, drifts, before) == (Outcome.PROMOTED, since, 1, 0)
    assert epochs == ["first outputs", "drift: audit", "model promoted"]
    assert (0 < since < candidate.first < candidate.last, turning.digests()) == (True, (live, live))
    assert turning.audit() == ()


def asked_for(ledger):
    return bool(ledger.challenges.requests())


@pytest.mark.slow
@pytest.mark.parametrize(("die", "tried"), [(asked_for, 0), (compared, 1)])
def test_a_death_while_a_model_that_forgets_is_asked_for_or_tried_changes_nothing(turning, die, tried):
    with pytest.raises(Killed):
        turning.serve(110, die=die)
    beside, again = turning.beside()
    live = turning.serve(110)

    assert (len(beside), beside, turning.digests()) == (tried, again, (live, live))
    assert turning.known()[1].outcome is Outcome.PROMOTED


@pytest.mark.slow
def test_a_promoted_model_that_forgets_outlives_another_drift_and_each_is_undone_in_turn(tmp_path):
    shop = Shop(tmp_path / "data", arrivals=1_100, turns=(300, 700), **FORGETFUL)
    shop.serve(170)
    (*before, newest), drifts = shop.since()
    shop.ask(Wish.BACK)
    first = shop.serve(2)
    undone, again = shop.since()[0], shop.digests()
    shop.ask(Wish.BACK)
    second = shop.serve(2)

    assert (before[0], sorted(before), newest > before[-1], drifts) == (0, before, True, 2)
    assert (undone, again) == (before, (first, first))
    assert (shop.since()[0], shop.digests()) == ([0], (second, second))


def test_a_candidate_that_forgets_is_dropped_when_its_answers_are_used_up(shop, askance):
    shop.serve(4)
    status, said = askance("candidate", "start", "--forget", "--answers", "40")
    shop.serve(60)
    told = askance("candidate", "status")[1]

    costs, candidate, epochs = shop.known()
    assert (status, "answers since batch =" in said, candidate.recipe.since > 0) == (0, True, True)
    assert (costs, candidate.outcome, epochs) == ([0.0001], Outcome.DROPPED, ["first outputs"])
    assert 40 <= candidate.contrasts[0].answers < 80
    assert f"dropped at batch {candidate.last}" in told
