from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture
def served():
    """A model that is right four times in five, surer of some arrivals than of others."""
    random = np.random.default_rng(0)
    truth = random.random((640, 3)) < (0.5, 0.2, 0.1)
    positive = truth ^ (random.random(truth.shape) < 0.2)
    scores = np.where(positive, 0.8, 0.1)
    return import_module("proof_served").Served("toys", 0.02, scores, positive, truth, random.random(truth.shape))


@pytest.mark.slow
def test_thrown_again_the_weighted_sums_are_unbiased_and_clipped_ones_are_not(served):
    replays, figures = import_module("proof_replays"), import_module("proof_figures")
    every = np.ones(3, np.bool_)
    right, clipped = (replays.replay(served, 200, 1, clipped=most, watched=False) for most in (None, 2.0))

    assert figures.errors(right, every)["root_mean_square"] < 2.0
    assert figures.errors(clipped, every)["root_mean_square"] > 5.0


def test_chances_of_every_rule_are_within_the_floor_and_one(served):
    replays = import_module("proof_replays")
    for rule in (replays.by_product, replays.by_output, replays.uniform):
        asked = []
        for start, stop, chance in rule(served, 5, asked):
            assert (chance.min() >= served.floor, chance.max() <= 1.0) == (True, True)
            asked.append(np.full((stop - start, 1, 5), start % 128 == 0))


def test_labels_saved_are_worked_out_as_they_would_be_counted_in_draws(served):
    policies, runs = import_module("proof_policies"), 1_500
    rows = {name: np.tile(getattr(served, name), (4, 1)) for name in ("scores", "positive", "truth", "disagreement")}
    many = replace(served, **rows)
    chance = policies.chances_of(many.disagreement, "output", many.floor)
    worked_out = policies.times_fewer(chance, policies.errors(many) ** 2, policies.uniform_variance(many))

    # A variance of 1,500 is off by 3.7 % in one standard error, the quotient of two by 5.2 %; 3.3 of them for 0.1 %.
    assert worked_out == pytest.approx(policies.times_fewer_drawn(many, chance, runs), rel=0.17)


def test_no_chances_do_better_than_the_best(served):
    policies = import_module("proof_policies")
    sure = replace(served, others={"doubt": np.sqrt(served.scores * (1 - served.scores))})
    squares, plain = policies.errors(sure) ** 2, policies.uniform_variance(sure)
    best, doubt = policies.best(sure, "output"), policies.chances_of(sure.others["doubt"], "output", sure.floor)

    assert best.mean(axis=0) == pytest.approx(policies.SHARE)
    assert (policies.times_fewer(best, squares, plain) >= policies.times_fewer(doubt, squares, plain)).all()


@pytest.mark.slow
def test_bounds_are_looked_up_no_wider_than_they_are():
    replays, confidence = import_module("proof_replays"), import_module("models.confidence")
    tables, step = replays.bounds_table(50.0)
    exact = confidence.bound(np.array([1234.5]), 50.0, replays.RHO[0], replays.ALPHA / 4)
    looked_up = tables[0, int(np.sqrt(1234.5) / step)]

    assert looked_up <= exact[0] == pytest.approx(looked_up, rel=1e-2)


def test_only_the_part_of_the_page_about_the_floor_is_renewed(tmp_path):
    page = import_module("proof_page")
    path = tmp_path / "proof.md"
    marks = "<!-- floor {0}: begin -->\n{1}\n<!-- floor {0}: end -->\n"
    path.write_text("before\n" + marks.format("0.02", "old") + marks.format("0.05", "kept") + "after\n")
    page.put(path, "floor 0.02", page.table([]))

    assert (
        path.read_text() == "before\n" + marks.format("0.02", page.table([])) + marks.format("0.05", "kept") + "after\n"
    )
