"""Drift: found from what tallies tell, once, whatever restarts there are; and what is done about it."""

import dataclasses

import msgspec
import numpy as np
import pytest

from models.coding import decode, encode
from models.contrast import Contrast
from models.lessons import LearnerSettings
from models.messages import OutputTally, Query, Signals, Tally
from models.policies import POLICIES
from models.watched import LOOK
from service import drift
from service.challenges import Kind, Outcome, Wish
from service.checkpoints import rebuild
from service.deciding import Asking
from service.promotion import heed
from service.reacting import Reaction
from service.recipes import recipe

OUTPUTS = ("red", "shoe", "rare")
REACTION = Reaction(arrivals=2_000, factor=2.0, epoch=True, keep=16)
SIGNALS = LOOK + 2 + len(OUTPUTS)
TALLY = 160  # arrivals


def tally(first, *, red=0.2, n=TALLY, size=16, yardstick=1, at=1.1e9):
    """A tally whose arrivals are alike but for how red they are, each number its own noise."""
    counts = np.diff(np.append(np.arange(0, n, size), n))
    sums = np.random.default_rng(first).random((len(counts), SIGNALS)) * 0.1 * counts[:, None]
    sums[:, LOOK + 2] += red * counts
    blocks = np.column_stack((counts, sums)).astype("<f4").tobytes()
    outputs = dict.fromkeys(OUTPUTS, OutputTally(positive=0, mass_positive=0.0, mass_negative=0.0))
    signals = Signals(yardstick=yardstick, outputs=list(OUTPUTS), blocks=blocks)
    return Tally(
        topic="products", partition=0, first=first, last=first + n - 1, model=1, policy="iwal", n=n, asked=0,
        chance=0.0, scale=1.0, outputs=outputs, signals=signals, at=at,
    )  # fmt: skip


def tell(desk, *tallies, reaction=REACTION):
    """Tell tallies one by one; return what was found, in order, with the arrivals before it."""
    found = []
    for one in tallies:
        learnt = desk.tell(desk.record("tallies", "products/0", encode(one)), reaction=reaction)
        if learnt.alarm is not None:
            found.append(learnt.alarm)
    return found


STEADY = [tally(TALLY * i) for i in range(20)]
CHANGED = [tally(TALLY * (20 + i), red=0.6) for i in range(20)]


def test_a_steady_feed_is_left_alone(desk):
    assert tell(desk, *STEADY) == []


def test_a_change_of_scores_is_found_and_named(desk):
    found = tell(desk, *STEADY, *CHANGED)

    assert [(alarm.signal, alarm.detail) for alarm in found] == [("score", "drift: score of red")]
    assert 0 <= found[0].arrivals - TALLY * 20 <= 1_000


def test_a_restart_changes_nothing_of_what_is_found(desk, new_desk, tmp_path):
    epoch_only = dataclasses.replace(REACTION, keep=0)
    always_on = type(desk)(tmp_path / "always-on")
    never_stopped = tell(always_on, *STEADY, *CHANGED, reaction=epoch_only)
    always_on.ledger.close()
    desk.ledger.close()

    with_restarts = [alarm for one in (*STEADY, *CHANGED) for alarm in tell(new_desk(), one, reaction=epoch_only)]

    assert with_restarts == never_stopped != []


def test_what_is_told_twice_counts_once(desk):
    tell(desk, STEADY[0], STEADY[0])

    assert desk.ledger._sql.execute("SELECT count(*) FROM signals").fetchone()[0] == TALLY // 16


def test_few_arrivals_wait_for_more(desk):
    tell(desk, *(tally(i, n=1) for i in range(40)))

    assert desk.ledger._sql.execute("SELECT count(*) FROM signals WHERE place > 0").fetchone()[0] == 2


def test_what_is_kept_is_bounded(desk, monkeypatch):
    monkeypatch.setattr(drift, "KEPT", 160)
    tell(desk, *STEADY)
    kept = desk.ledger._sql.execute("SELECT count(*) FROM signals").fetchone()[0]
    more = tell(desk, *CHANGED)

    assert (80 <= kept <= 160, len(more)) == (True, 1)


def test_another_yardstick_starts_its_signals_anew(desk):
    changed = [tally(TALLY * (20 + i), red=0.6, yardstick=2) for i in range(20)]

    assert tell(desk, *STEADY, *changed) == []


def test_what_an_older_yardstick_measured_comes_too_late(desk):
    tell(desk, tally(0, yardstick=2), tally(TALLY, yardstick=1))

    assert desk.ledger._sql.execute("SELECT DISTINCT yardstick FROM signals").fetchall() == [(2,)]


def test_other_outputs_under_the_same_yardstick_start_its_signals_anew(desk):
    fewer = np.ones((1, SIGNALS), "<f4") * 16
    signals = Signals(yardstick=1, outputs=["red", "shoe"], blocks=fewer.tobytes())

    assert tell(desk, *STEADY, msgspec.structs.replace(tally(TALLY * 20), signals=signals)) == []


def test_a_tally_without_signals_is_as_good_as_any(desk):
    assert tell(desk, msgspec.structs.replace(STEADY[0], signals=None)) == []


def test_a_reaction_opens_an_epoch_that_says_why(desk):
    tell(desk, *STEADY, *CHANGED)

    assert [epoch.reason for epoch in desk.ledger.evidence.epochs()] == ["first outputs", "drift: score of red"]


def test_a_reaction_lasts_so_many_arrivals_and_nothing_is_watched_meanwhile(desk):
    tell(desk, *STEADY)
    alerts = []
    for one in CHANGED:
        tell(desk, one)
        alerts.append(desk.ledger.drift.alert())
    began = alerts.index(True)

    assert alerts[began:].count(True) in (REACTION.arrivals // TALLY, REACTION.arrivals // TALLY + 1)
    assert not alerts[-1]


def test_a_model_that_reacted_follows_from_the_ledger(desk):
    desk.tell(desk.query("q1"), desk.label("q1", answers={"red": True, "shoe": True, "rare": False}))
    tell(desk, *STEADY, *CHANGED)
    desk.tell(desk.query("q2"), desk.label("q2", answers={"red": False, "shoe": True, "rare": False}))

    assert desk.learner.version == 3
    assert rebuild(desk.ledger, lambda _: new_born(desk)).digest() == desk.learner.digest()


def new_born(desk):
    return type(desk.learner)(desk.learner.outputs, desk.learner.settings, seed=0)


def test_steps_can_be_left_out(desk):
    found = tell(desk, *STEADY, *CHANGED, reaction=dataclasses.replace(REACTION, epoch=False, keep=0))

    assert (len(found), len(desk.ledger.evidence.epochs()), desk.learner.version) == (1, 1, 0)


FORGETFUL = dataclasses.replace(REACTION, candidate=500)
SERVES = recipe(LearnerSettings(), 0)


def test_a_reaction_may_ask_for_a_candidate_that_learns_only_from_what_comes(desk):
    desk.ledger.challenges.configure(SERVES)
    tell(desk, *STEADY, *CHANGED, reaction=FORGETFUL)

    asked = [(one.what, one.recipe, one.most) for one in desk.ledger.challenges.requests()]
    assert asked == [(Wish.START, SERVES._replace(since=2), 500)]  # batch 1 has calibrated


@pytest.mark.parametrize("tried", [True, False])
def test_while_a_candidate_is_tried_or_asked_for_no_other_is(desk, tried):
    challenges, other = desk.ledger.challenges, SERVES._replace(seed=1)
    challenges.configure(SERVES)
    if tried:
        challenges.start(Kind.CANDIDATE, other, SERVES, 0.0)
    else:
        challenges.ask(Wish.START, other, 0.0)
    found = tell(desk, *STEADY, *CHANGED, reaction=FORGETFUL)

    assert (len(found), [one.recipe for one in challenges.requests()]) == (1, [] if tried else [other])


@pytest.mark.parametrize(("answers", "outcome"), [(499, None), (500, Outcome.DROPPED)])
def test_a_candidate_that_has_had_its_answers_is_dropped(desk, answers, outcome):
    challenges = desk.ledger.challenges
    number = challenges.start(Kind.CANDIDATE, SERVES._replace(since=1), SERVES, 0.0, most=500)
    challenges.compared(number, 1, [Contrast(answers=answers)])

    changed = heed(desk.ledger, SERVES, savings=False, now=1.0)

    assert (changed, challenges.newest(Kind.CANDIDATE).outcome) == (outcome is not None, outcome)


def test_nothing_is_found_where_nobody_looks(desk):
    assert tell(desk, *STEADY, *CHANGED, reaction=None) == []


def test_asking_is_raised_by_a_factor_up_to_everything():
    asking = Asking(
        policy=POLICIES["iwal"], unit="product", share=0.3, p_min=0.05, eta=0.05, key=b"k", stream="s", expires=1e6
    )  # fmt: skip

    assert (asking.raised(2.0).share, asking.raised(2.0).p_min) == (0.6, 0.1)
    assert (asking.raised(50.0).share, asking.raised(50.0).p_min) == (1.0, 1.0)


@pytest.mark.parametrize(("draw", "seen"), [(0.05, 1), (0.3, 0)])
def test_only_answers_below_the_floor_are_audited(desk, draw, seen):
    record = desk.query("q1")
    query = decode(Query, record.value)
    because = msgspec.structs.replace(query.because, draw=draw)
    drawn = record._replace(value=encode(msgspec.structs.replace(query, because=because)))

    desk.tell(drawn, desk.label("q1", answers={"red": True}), reaction=REACTION)
    desk.tell(desk.label("q1", answers={"red": False}), reaction=REACTION)

    rows = desk.ledger._sql.execute("SELECT yardstick, body FROM signals").fetchall()
    assert rows == [(-1, np.asarray([1.0], "<f4").tobytes())] * seen


def test_mistakes_among_audited_answers_raise_the_alarm(desk):
    with desk.ledger.transaction():
        good = [desk.ledger.drift.audited(wrong=i % 20 == 0, at=1.0) for i in range(400)]
        bad = [desk.ledger.drift.audited(wrong=i % 2 == 0, at=1.0) for i in range(200)]

    assert ({str(one) for one in good}, {str(one) for one in bad if one}) == ({"None"}, {"drift: audit"})
