"""Candidates beside the service on the embedded log: promoted if better, undone by one command, never half done."""

import json
import sys
from contextlib import closing
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from models.chance import query_id
from models.coding import encode
from models.messages import Label, Product
from models.records import Outgoing
from service.assembly import clients, make_both, open_both
from service.audit import audit
from service.challenges import Kind, Outcome, Wish
from service.cli import main
from service.halves import asking_of
from service.learners import beside, configured, encoders_of, rebuilt, restored
from service.ledger import Ledger
from service.loop import run
from service.promotion import served
from service.recipes import recipe
from service.settings import read_settings
from shared.turns import Turns

PRODUCTS = 300
SETTINGS = {
    "outputs": ("red", "shoe"), "asking.share": 1.0, "asking.p_min": 1.0, "asking.seed": "s",
    "log.partitions": 1, "log.batch": 20, "log.wait_seconds": 0.0, "learning.batch": 40, "http.enabled": False,
    "learning.checkpoint_seconds": 3600, "model.bits": 12, "model.width": 8, "model.sketch": 8, "model.hidden": 16,
    "model.members": 2, "model.memory": 500, "model.batch": 16, "model.rehearsals": 1, "model.steps_per_lesson": 0.1,
}  # fmt: skip
BAD = {"model.cost": 0.0001, "model.mix": 0.0, "model.calibration": "none"}  # never departs from what is common
BETTER = ("--set", "model.cost=30")


class Killed(BaseException):
    """The process is gone: nothing after this happens."""


def answer(n, turns=()):
    """The answer about a product; at each of `turns` what `red` is said of turns round."""
    said = {"red": (n + sum(n >= turn for turn in turns)) % 2 == 1, "shoe": n % 7 == 3}
    label = Label(query=query_id("askance", f"products/0/{n}"), annotator="a", answers=said)
    return Outgoing("labels", label.query.encode(), encode(label))


class Shop:
    """A data directory with a feed and the answers to all of it, served process after process."""

    def __init__(self, folder, arrivals=PRODUCTS, turns=(), **changes):
        self.changes = SETTINGS | changes | {"data_dir": str(folder)}
        self.settings = read_settings(None, self.changes)
        products = [Product(id=f"p{n}", title=f"{'red' if n % 2 else 'blue'} thing {n % 7}") for n in range(arrivals)]
        with closing(clients(self.settings).write("shop")) as writer:
            writer.publish([Outgoing("products", one.id.encode(), encode(one)) for one in products], None)
            writer.publish([answer(n, turns) for n in range(arrivals)], None)

    def ask(self, what, **changes):
        """As the command does it, once the service has run."""
        self.serve(2)
        wanted = recipe(replace(configured(self.settings, encoders_of(self.settings)).settings, **changes), 0)
        with closing(Ledger(self.settings.data_dir, beside=True)) as ledger, ledger.transaction():
            ledger.challenges.ask(what, wanted, 1.0)

    def serve(self, turns, die=None, during=None):
        """One process. It may die when its ledger is so; something may be done in its middle. Its model's digest."""
        service = make_both(self.settings, CollectorRegistry())
        opened = open_both(self.settings, service.learning.ledger)

        def open_log():
            log = opened()
            return (
                log
                if die is None
                else replace(log, producer=Mortal(log.producer, lambda: die(service.learning.ledger)))
            )

        try:
            run(service, open_log, Turns(turns // 2 if during else turns))
            if during:
                during()
                run(service, open_log, Turns(turns // 2))
            return service.learning.learner.digest()
        finally:
            service.learning.ledger.close()

    def known(self):
        """What serves after what, by its cost; the newest candidate; the epochs."""
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            stack = served(ledger, configured(self.settings, encoders_of(self.settings)))
            costs = [recipe.settings.cost for recipe in stack]
            return costs, ledger.challenges.newest(Kind.CANDIDATE), [one.reason for one in ledger.evidence.epochs()]

    def since(self):
        """The batches from which on what serves after what has learnt; and how often drift was found."""
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            stack = served(ledger, configured(self.settings, encoders_of(self.settings)))
            return [recipe.since for recipe in stack], sum(ledger.drift.counts().values())

    def digests(self):
        """Of the model that a restart would serve and of the one the ledger alone makes."""
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            encoders = encoders_of(self.settings)
            now = restored(self.settings, ledger, encoders).learner
            return now.digest(), rebuilt(self.settings, ledger, encoders).digest()

    def beside(self):
        """Digests and sums of those beside the one that serves: as a restart has them, and anew."""
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            rivals, running = beside(self.settings, ledger, encoders_of(self.settings)), ledger.challenges.running()
            live = {one.kind: (rivals.digests(one.number), one.contrasts) for one in running}
            return live, {one.kind: rivals.anew(ledger, one) for one in running}

    def audit(self):
        asking, read = asking_of(self.settings), clients(self.settings).read
        return audit(read, key=asking.key, stream=asking.stream, p_min=asking.p_min, group="askance").problems


class Mortal:
    """A producer whose process dies right after a publish."""

    def __init__(self, producer, doomed):
        self.producer, self.doomed = producer, doomed

    def publish(self, records, past):
        self.producer.publish(records, past)
        if self.doomed():
            raise Killed

    def close(self):
        self.producer.close()


def after(publishes):
    left = iter(range(publishes - 1))
    return lambda _: next(left, None) is None


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path / "data", **BAD)


@pytest.fixture
def askance(monkeypatch, capsys, shop):
    """Run a command on the shop's data; its exit status and what it printed."""
    monkeypatch.delenv("ASKANCE_CONFIG", raising=False)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["askance", *map(str, words), "--data-dir", str(shop.settings.data_dir)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, " ".join((printed.out + printed.err).split())

    return run


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


FORGETFUL = {"drift.candidate": True, "drift.arrivals": 100}


@pytest.fixture
def turning(tmp_path):
    """From the 300th product on, what is red is not, and the other way round; after a drift a candidate forgets."""
    return Shop(tmp_path / "turning", arrivals=700, turns=(300,), **FORGETFUL)


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


def compared(ledger):
    return any(one.contrasts for one in ledger.challenges.running())


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
