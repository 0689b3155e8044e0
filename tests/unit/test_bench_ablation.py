from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from models.learner import LearnerSettings
from models.policies import POLICIES
from service.model_settings import ModelSettings

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("ablation_page")


@pytest.fixture
def tested(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("ablation_switches").switches(LearnerSettings(), "iwal")


def report(switch, points, *, seed=0):
    names = ("labels", "macro_ap", "learning", "updates", "rehearsals")
    points = [dict(zip(names, point, strict=True), micro_f1=point[1]) for point in points]
    return {"feed": "toys", "switch": switch, "seed": seed, "points": points}


def test_every_switch_differs_from_what_it_is_compared_with_and_can_be_set(tested):
    named = {switch.name: switch for switch in tested}
    assert len(named) == len(tested)
    for switch in tested[1:]:
        other = named[switch.against]
        assert (switch.policy, switch.settings) != (other.policy, other.settings)
        assert switch.policy in POLICIES
        plain = replace(LearnerSettings(), **switch.settings)
        assert ModelSettings(**vars(plain)) is not None


def test_the_value_that_is_the_default_is_no_switch(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    switches = import_module("ablation_switches").switches
    names = [
        {one.name for one in switches(replace(LearnerSettings(), weights=way), "iwal")} for way in ("none", "full")
    ]

    assert names[0] - names[1] == {"weights = full"}
    assert names[1] - names[0] == {"weights = none"}


def test_reports_of_different_switches_are_kept_apart(tested, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    run = import_module("ablation").Run

    assert len({run("toys", switch.name, 0, 100).file for switch in tested}) == len(tested)


def test_what_was_spent_until_a_quality_goes_with_the_labels(page):
    found = report("default", [(100, 0.4, 2.0, 100, 1_300), (400, 0.8, 5.0, 400, 5_200)])

    assert page.until(found, 0.6, "learning") == pytest.approx(3.0)  # at 200 labels
    assert page.until(found, 0.3, "updates") == pytest.approx(100)
    assert page.until(found, 0.9, "updates") is None


def test_a_switch_is_compared_over_the_seeds_that_its_baseline_has(page, tested):
    short, long = (
        [(100, 0.45, 1.0, 100, 100), (200, 0.9, 2.0, 200, 200)],
        [(100, 0.45, 1.0, 100, 100), (400, 0.9, 8.0, 400, 400)],
    )
    reports = [report("default", short), report("default", long, seed=1), report("random", long)]
    kept = page.by_switch(reports, "toys")

    (line,) = [line for line in page.summary(tested, {"toys": kept}) if "| random |" in line]
    goal = 0.9 * 0.9
    labels = [page.labels_to(points, goal) for points in (reports[2]["points"], reports[0]["points"])]
    assert f"| {labels[0] / labels[1]:.2f} |" in line
    assert f"| {0.675 - 0.9:+.3f} |" in line  # at 200 labels


def test_qualities_are_compared_at_the_labels_where_the_first_ended(page):
    own, other = (
        report("random", [(100, 0.4, 1, 1, 1), (200, 0.6, 1, 1, 1)]),
        report("default", [(100, 0.5, 1, 1, 1), (400, 0.9, 1, 1, 1)]),
    )

    assert page.at_equal_labels([own], [other], "macro_ap") == pytest.approx(0.6 - 0.7)
    assert page.figure_at(own["points"], 50, "macro_ap") is None
