"""Candidates beside the service on the embedded log: promoted if better, undone by one command, never half done."""

import json

import pytest

from service.challenges import Outcome, Wish
from service.ledger import Ledger
from service.settings import read_settings
from shared.trial import BETTER, Killed, Shop, after


def test_a_better_candidate_is_promoted_and_a_restart_serves_it(shop, askance):
    shop.serve(4)
    status, _ = askance("candidate", "start", *BETTER)
    live = shop.serve(80)

    costs, candidate, epochs = shop.known()
    assert (status, costs, candidate.outcome) == (0, [0.0001, 30.0], Outcome.PROMOTED)
    assert epochs == ["first outputs", "model promoted"]
    assert shop.digests() == (live, live)
    assert shop.audit() == ()


def test_a_worse_candidate_never_serves(tmp_path):
    shop = Shop(tmp_path / "good", **{"model.cost": 30})
    shop.ask(Wish.START, cost=0.0001, mix=0.0, calibration="none")
    shop.serve(80)

    costs, candidate, epochs = shop.known()
    assert (costs, candidate.outcome, epochs) == ([30.0], None, ["first outputs"])
    assert candidate.contrasts[0].total > 10.0


@pytest.mark.slow
@pytest.mark.parametrize("publishes", [3, 11])
def test_a_death_in_the_middle_of_a_trial_leaves_what_the_ledger_makes_anew(shop, publishes):
    shop.settings = read_settings(None, shop.changes | {"savings.enabled": True})
    shop.ask(Wish.START, cost=0.001)
    with pytest.raises(Killed):
        shop.serve(80, die=after(publishes))
    shop.serve(3)
    shop.serve(80)

    live, again = shop.beside()
    assert live == again
    assert [len(contrasts) for _, contrasts in live.values()] == [2, 1]


def test_the_model_before_comes_back_while_the_service_runs(shop, askance):
    shop.ask(Wish.START, cost=30.0)
    shop.serve(60)
    promoted = shop.known()[0]
    live = shop.serve(10, during=lambda: askance("rollback"))

    costs, _, epochs = shop.known()
    assert (promoted, costs) == ([0.0001, 30.0], [0.0001])
    assert epochs == ["first outputs", "model promoted", "model rolled back"]
    assert shop.digests() == (live, live)


def test_the_model_before_comes_back_with_the_next_start(shop, askance):
    shop.ask(Wish.START, cost=30.0)
    shop.serve(60)
    status, said = askance("rollback")
    again, complaint = askance("rollback")
    live = shop.serve(4)

    assert (status, "cost = 0.0001" in said, again, "no model to go back to" in complaint) == (0, True, 1, True)
    assert (shop.known()[0], shop.digests()) == ([0.0001], (live, live))


def test_another_configuration_of_the_model_ends_a_trial_and_a_promotion(shop):
    shop.ask(Wish.START, cost=30.0)
    shop.serve(60)
    shop.ask(Wish.START, cost=20.0)
    shop.serve(2)
    shop.settings = read_settings(None, shop.changes | {"model.cost": 10.0})
    shop.serve(2)

    costs, candidate, _ = shop.known()
    assert (costs, candidate.outcome) == ([10.0], Outcome.OVERTAKEN)


RIVER = ("--set", "model.kind=river", "--set", "model.river_classifier=none")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["candidate", "start", "--set", "model.cots=5"], 2, "model.cots: no such setting"),
        (["candidate", "start", "--set", "model.cost=-1"], 2, "model.cost = -1"),
        (["candidate", "start", *RIVER], 2, "model.river_classifier = 'none'"),
        (["candidate", "start", "--set", "asking.share=0.5"], 2, "differs in model.NAME=VALUE"),
        (["candidate", "start"], 1, "that is the model that serves"),
        (["candidate", "stop"], 1, "no candidate is being tried"),
        (["candidate", "status"], 0, "no candidate was ever tried"),
        (["rollback"], 1, "no model to go back to"),
    ],
)
def test_what_cannot_be_done_is_said(shop, askance, words, status, said):
    shop.serve(2)

    ended, text = askance(*words)

    assert (ended, said in text) == (status, True), text


def test_one_candidate_at_a_time_until_it_is_stopped(shop, askance):
    shop.serve(2)
    first = askance("candidate", "start", "--set", "model.cost=0.001")
    second = askance("candidate", "start", "--set", "model.cost=0.002")
    shop.serve(3)
    told = askance("candidate", "status")
    stopped = askance("candidate", "stop")
    shop.serve(2)

    assert [first[0], second[0], stopped[0]] == [0, 1, 0]
    assert ("tried already" in second[1], "cost = 0.001" in told[1]) == (True, True)
    assert shop.known()[1].outcome is Outcome.STOPPED


@pytest.mark.slow
def test_the_ledger_command_makes_those_beside_anew_too(shop, askance):
    shop.ask(Wish.START, cost=0.001)
    shop.serve(30)
    sets = [word for name, value in shop.changes.items() for word in ("--set", f"{name}={as_text(value)}")]

    status, said = askance("ledger", "--rebuild", *sets)

    assert (status, "rebuilt candidate 1: the same, its sums too" in said) == (0, True), said


def as_text(value):
    return json.dumps(value) if isinstance(value, tuple | bool) else value


def test_a_ledger_on_which_no_service_ran_has_no_model_to_go_back_to(shop, askance):
    Ledger(shop.settings.data_dir).close()

    status, said = askance("rollback")

    assert (status, "no service has run" in said) == (1, True)
