from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def count(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("labels_count")


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("labels_page")


def report(system, policy, points, *, seed=0, **more):
    points = [{"labels": labels, "macro_ap": quality} for labels, quality in points]
    plain = {"order": "shuffled", "delay": 0, "noise": 0.0}
    return {"feed": "toys", "system": system, "policy": policy, "seed": seed, "points": points, **plain, **more}


CEILING = report("sklearn", "full", [(100, 0.5), (1_600, 1.0)])


def test_labels_to_a_quality_lie_on_a_line_over_their_logarithm(count):
    points = report("askance", "iwal", [(100, 0.4), (400, 0.6), (1_600, 0.8)])["points"]

    assert count.labels_to(points, 0.5) == pytest.approx(200)
    assert count.labels_to(points, 0.6) == pytest.approx(400)


def test_a_quality_that_the_first_point_has_takes_its_labels(count):
    assert count.labels_to(report("askance", "iwal", [(100, 0.4)])["points"], 0.3) == 100


def test_a_quality_never_reached_has_no_labels(count):
    assert count.labels_to(report("askance", "iwal", [(100, 0.4)])["points"], 0.5) is None


def test_what_is_lost_again_counts_from_where_it_was_first_reached(count):
    points = report("askance", "iwal", [(100, 0.4), (200, 0.6), (400, 0.5), (800, 0.7)])["points"]

    assert count.labels_to(points, 0.6) == pytest.approx(200)


def test_a_mean_over_seeds_needs_every_seed(count):
    assert count.Reach((200.0, 400.0), 800).text() == "300 (200 to 400)"
    assert count.Reach((200.0, None), 800).text() == "> 800 (1 of 2 seeds reach it)"
    assert count.Reach((None, None), 800).text() == "> 800"


def test_the_ratio_is_to_the_best_peer_and_the_verdict_says_by_how_much(count, page):
    ours = report(*count.DEFAULT, [(100, 0.4), (300, 0.9)])
    peers = [
        report("sklearn", "passive", [(100, 0.4), (800, 0.9)]),
        report("river", "passive", [(100, 0.4), (500, 0.9)]),
    ]
    (feed,) = count.collect([ours, *peers, CEILING])

    row = next(line for line in page.summary([feed]) if "90 % =" in line)
    cells = ["toys", "90 % = 0.900", "river, uniform: 500", "300", "0.60", f"{count.NAMES[count.DEFAULT]}: 300", "0.60"]
    assert row == f"| {' | '.join([*cells, 'missed, by 0.10'])} |"


def test_a_quality_beyond_the_budget_is_compared_by_those_that_learn_from_every_answer(count):
    ours = report(*count.DEFAULT, [(100, 0.4), (300, 0.9)])
    passive = report("sklearn", "passive", [(100, 0.5), (400, 0.7)])
    (feed,) = count.collect([ours, passive, CEILING])

    name, found = feed.best(0.9, ours=False)
    assert name == ("sklearn", "full")
    assert found.mean == pytest.approx(100 * 16**0.8)


def test_where_a_peer_needs_fewer_labels_is_said(count, page):
    ours = report(*count.DEFAULT, [(100, 0.4), (200, 0.8), (1_000, 0.91)])
    peer = report("sklearn", "passive", [(100, 0.4), (400, 0.8), (500, 0.9), (600, 0.96)])
    (feed,) = count.collect([ours, peer, CEILING])

    (line,) = page.losses([feed])
    assert "80 %" not in line
    assert "behind at 90 % (" in line
    assert "95 % (not reached; scikit-learn refit, uniform)" in line


def test_runs_of_harder_streams_are_kept_apart(count, page):
    late = report(*count.DEFAULT, [(100, 0.2)], delay=500)
    plain = report(*count.DEFAULT, [(100, 0.4)])
    (feed,) = count.collect([plain, late, CEILING])

    assert feed.reports[count.DEFAULT] == [plain]
    line = f"| toys | {count.NAMES[count.DEFAULT]} | 0.400 |  | 0.200 |  |  |  |"
    assert line in list(page.hard([plain, late]))


def test_a_ratio_to_what_was_not_reached_is_a_bound(count, page):
    assert page.between(count.Reach((300.0,), 800), count.Reach((600.0,), 800)) == "0.50"
    assert page.between(count.Reach((None,), 900), count.Reach((600.0,), 800)) == "> 1.50"
    assert page.between(count.Reach((200.0,), 900), count.Reach((None,), 800)) == "< 0.25"
    assert not page.between(count.Reach((None,), 900), count.Reach((None,), 800))


def test_every_policy_has_a_name_and_a_line_in_the_drawings(count, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    pytest.importorskip("matplotlib")
    plot = import_module("labels_plot")

    assert set(plot.LINES) == set(count.NAMES)
    assert count.DEFAULT in count.NAMES
