"""Scripts of faults are data: the same seed makes the same moments, and every verb is known."""

import pytest

from faults.events import VERBS
from faults.script import Event, read_scripts


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "scripts.toml"
    path.write_text(
        '[[script]]\nname = "one"\nsays = "."\nrounds = 2\nevents = ["kill a", "2s start a", "0-3s restart any"]\n'
    )
    return path


def test_an_event_may_come_after_a_pause_and_after_a_random_one(written):
    events = read_scripts(0, written)["one"].events

    assert events[:2] == (Event(("kill", "a")), Event(("start", "a"), 2.0))
    assert events[2].words == ("restart", "any")
    assert 0.0 <= events[2].after <= 3.0


def test_moments_follow_from_the_seed(written):
    first, again, other = (read_scripts(seed, written)["one"] for seed in (0, 0, 1))

    assert first == again
    assert [event.after for event in first.events] != [event.after for event in other.events]


def test_each_round_has_moments_of_its_own_and_its_kills_count(written):
    script = read_scripts(0, written)["one"]

    assert (len(script.events), script.kills) == (6, 4)
    assert script.events[2].after != script.events[5].after


@pytest.mark.parametrize("script", read_scripts(0).values(), ids=lambda script: script.name)
def test_every_verb_of_a_script_is_known(script):
    assert {event.words[0] for event in script.events} <= VERBS.keys()
