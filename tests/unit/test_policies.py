from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from models.features import featurise
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.messages import Product
from models.policies import POLICIES, policy_named
from models.view import View
from service.asking_settings import Policy
from service.halves import asking_of
from service.settings import read_settings

SMALL = LearnerSettings(bits=10, width=4, sketch=4, hidden=4, members=2)
MEMBERS = np.array([[[0.010, 0.10], [0.5, 0.5], [0.0001, 0.001]]], np.float32)
PREVALENCE = np.array([0.04, 0.5, 0.5])


def disagreement(policy, members, prevalence, **changes):
    """Of one policy, where the members of a new model had said this."""
    snapshot = Learner([str(k) for k in range(members.shape[1])], SMALL, seed=0).snapshot()
    products = [Product(id=str(i), title="a shoe") for i in range(len(members))]
    features = featurise(products, bits=SMALL.bits)
    view = View(features=features, snapshot=replace(snapshot, prevalence=prevalence, **changes), members=members)
    return POLICIES[policy].disagreement(view)


def test_policies_are_known_by_their_names():
    assert [(name, policy.name) for name, policy in POLICIES.items()] == [(n, n) for n in get_args(Policy)]


def test_random_sees_every_arrival_alike():
    assert disagreement("random", MEMBERS, PREVALENCE).tolist() == [[1.0, 1.0, 1.0]]


def test_members_at_one_and_ten_percent_disagree_clearly():
    found = disagreement("iwal", MEMBERS, PREVALENCE)

    assert found[0] == pytest.approx([np.log(10) / np.log(99), 0.0, 0.0], abs=1e-6)


def test_members_that_contradict_each_other_outright_disagree_by_one():
    certain = np.array([[[0.0, 1.0]]], np.float32)

    assert disagreement("iwal", certain, np.array([0.5])).tolist() == [[1.0]]


def test_the_rarest_output_counts_in_full_and_others_by_the_root_of_their_rarity():
    plain = disagreement("iwal", MEMBERS, PREVALENCE)

    expected = plain * np.sqrt(0.04 / PREVALENCE)
    assert disagreement("iwal-rare", MEMBERS, PREVALENCE) == pytest.approx(expected)


def test_outputs_hardly_ever_seen_are_equally_rare():
    members = np.repeat(MEMBERS[:, :1], 2, axis=1)

    found = disagreement("iwal-rare", members, np.array([0.0001, 0.001]))
    assert found[0] == pytest.approx(disagreement("iwal", members, np.array([0.0001, 0.001]))[0])


def test_what_no_output_claims_counts_more_than_what_one_is_sure_of():
    claimed = np.array([[[0.2, 0.4], [1.0, 1.0]]], np.float32)
    unclaimed = np.array([[[0.2, 0.4], [0.0, 0.0]]], np.float32)
    prevalence = np.array([0.1, 0.1])

    (one,), (other,) = (disagreement("iwal-novel", members, prevalence) for members in (claimed, unclaimed))
    (plain,) = disagreement("iwal-rare", claimed, prevalence)

    assert one[0] == pytest.approx(plain[0] * 0.1 / 1.1)
    assert other[0] == pytest.approx(plain[0] * 0.8 / 1.1)


@pytest.mark.parametrize(
    ("score", "expected"), [(0.2, 1.0), (0.1, 0.8112781), (0.6, 0.8112781), (0.0, 0.0), (1.0, 0.0)]
)
def test_uncertainty_is_the_entropy_of_the_place_beside_the_threshold(score, expected):
    members = np.full((1, 1, 2), score, np.float32)

    found = disagreement("uncertainty", members, np.array([0.1]), thresholds=np.array([0.2], np.float32))
    assert found == pytest.approx(expected, abs=1e-5)  # scores stop a little short of 0 and 1


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_at_the_end_leaves_uncertainty_a_number(threshold):
    members = np.array([[[0.0], [0.5], [1.0]]], np.float32)

    found = disagreement("uncertainty", members, np.full(3, 0.1), thresholds=np.full(3, threshold, np.float32))
    assert ((found >= 0.0) & (found <= 1.0)).all()


def test_least_positive_goes_by_the_highest_mean_score():
    members = np.array([[[0.1, 0.3], [0.0, 0.1]], [[0.9, 0.9], [0.0, 1.0]]], np.float32)

    found = disagreement("least-positive", members, np.array([0.1, 0.1]))
    assert found == pytest.approx(np.array([[0.8, 0.8], [0.1, 0.1]]), abs=1e-6)


@pytest.mark.parametrize(
    ("score", "threshold", "expected"),
    [(0.5, 0.2, 0.8), (0.1, 0.2, 0.6 * 0.2), (0.2, 0.2, 0.8 * 0.8), (0.95, 0.9, 0.43589 * 0.5), (0.5, 0.9, 0.5)],
)
def test_evidence_is_the_doubt_of_the_score_times_the_slope_of_f1_at_its_decision(score, threshold, expected):
    members = np.full((1, 1, 2), score, np.float32)

    found = disagreement("evidence", members, np.array([0.1]), thresholds=np.array([threshold], np.float32))
    assert found[0, 0] == pytest.approx(expected, abs=1e-5)


def test_evidence_about_the_rarest_output_counts_in_full():
    members = np.full((1, 2, 2), 0.3, np.float32)

    (common, rare), *_ = disagreement("evidence", members, np.array([0.4, 0.1]))
    assert common == pytest.approx(rare / 2)


def test_what_is_certain_is_no_evidence():
    members = np.array([[[0.0, 0.0], [1.0, 1.0]]], np.float32)

    assert disagreement("evidence", members, np.array([0.1, 0.1])) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("policy", POLICIES)
def test_disagreement_is_between_nothing_and_one_by_any_policy(policy):
    members = np.concatenate([np.zeros((1, 3, 2)), np.ones((1, 3, 2)), MEMBERS]).astype(np.float32)

    found = disagreement(policy, members, PREVALENCE)
    assert found.shape == (3, 3)
    assert ((found >= 0.0) & (found <= 1.0)).all()


def test_damping_takes_away_from_what_is_familiar():
    learner = Learner(("red",), SMALL, seed=0)
    twin, other = Product(id="a", title="a red shoe"), Product(id="b", title="something else")
    targets, certain = np.ones(1, np.float32), np.ones(1, np.float32)
    learner.update(1, [Lesson(query="q", product=twin, targets=targets, chance=certain)])
    view = View.of(featurise([twin, other], bits=SMALL.bits), learner.snapshot())

    plain, damped = policy_named("iwal"), policy_named("iwal", damping=True)
    assert (plain.name, damped.name) == ("iwal", "iwal-damped")
    assert damped.disagreement(view)[:, 0] == pytest.approx(plain.disagreement(view)[:, 0] * [0.5, 1.0], rel=0.1)


@pytest.mark.parametrize(("damping", "name"), [(False, "iwal"), (True, "iwal-damped")])
def test_the_setting_puts_the_policy_to_work(damping, name):
    settings = read_settings(changes={"asking.policy": "iwal", "asking.damping": damping, "asking.seed": "key"})

    assert asking_of(settings).policy.name == name
