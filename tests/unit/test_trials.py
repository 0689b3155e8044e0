"""What is said of models that are tried: in words, and as gauges."""

import math

import pytest
from prometheus_client import CollectorRegistry

from models.contrast import Contrast
from models.lessons import LearnerSettings
from service.challenges import Kind, Outcome
from service.metrics import Metrics
from service.recipes import recipe
from service.trials import said_of, trials

SERVES, TRIED = recipe(LearnerSettings(), 0), recipe(LearnerSettings(cost=50.0), 0)
WORSE = Contrast(answers=300, weight=3_000.0, total=1_500.0, squares=20_000.0, floor=0.05)
BETTER = WORSE._replace(total=-1_500.0)


@pytest.fixture
def challenges(desk):
    desk.ledger.challenges.configure(SERVES)
    return desk.ledger.challenges


def gauges(challenges):
    registry = CollectorRegistry()
    Metrics(registry, ("red",), version="0").tried(trials(challenges))
    return lambda name, **labels: registry.get_sample_value(f"askance_{name}", labels)


def test_nothing_is_said_of_nothing(challenges):
    value = gauges(challenges)

    assert said_of(trials(challenges)) == []
    assert (value("candidate_running"), value("promoted_models")) == (0, 0)
    assert math.isnan(value("savings_labels_ratio", bound="estimate"))


def test_a_candidate_is_told_with_its_bounds(challenges):
    number = challenges.start(Kind.CANDIDATE, TRIED, SERVES, 1.0)
    before = said_of(trials(challenges))
    challenges.compared(number, 7, [WORSE])
    after, value = said_of(trials(challenges)), gauges(challenges)

    assert before == ["candidate 1 (cost = 50.0; seed 0): is tried; not compared yet"]
    assert "compared on 300 answers since batch 7" in after[0]
    assert "+0.5000 per product" in after[1]
    assert (value("candidate_running"), value("candidate_answers")) == (1, 300)
    assert value("candidate_loss_difference", bound="lower") < 0.5 < value("candidate_loss_difference", bound="upper")


def test_an_ended_candidate_is_told_with_its_end(challenges):
    challenges.end(challenges.start(Kind.CANDIDATE, TRIED, SERVES, 1.0), Outcome.STOPPED, 9)

    assert "stopped at batch 9" in said_of(trials(challenges))[0]


def test_savings_are_told_once_they_are_known(challenges):
    number = challenges.start(Kind.SAVINGS, SERVES, SERVES, 1.0)
    unknown = said_of(trials(challenges))
    challenges.compared(number, 1, [BETTER, WORSE._replace(total=3_000.0)])
    known, value = said_of(trials(challenges)), gauges(challenges)

    assert unknown == ["what the choice of queries saves is not yet known, after 0 answers"]
    assert "1.41 times as many labels" in known[0]
    assert value("savings_labels_ratio", bound="estimate") == pytest.approx(2**0.5)
    assert 1.0 < value("savings_labels_ratio", bound="lower") < 1.41 < value("savings_labels_ratio", bound="upper")
