import numpy as np
import pytest

from models.policies import POLICIES

MEMBERS = np.array([[[0.010, 0.10], [0.5, 0.5], [0.0001, 0.001]]], np.float32)
PREVALENCE = np.array([0.04, 0.5, 0.5])


def test_policies_are_known_by_their_names():
    assert {name: policy.name for name, policy in POLICIES.items()} == {"random": "random", "iwal": "iwal"}


def test_random_sees_every_arrival_alike():
    assert POLICIES["random"].disagreement(MEMBERS, PREVALENCE).tolist() == [[1.0, 1.0, 1.0]]


def test_members_at_one_and_ten_percent_disagree_clearly():
    disagreement = POLICIES["iwal"].disagreement(MEMBERS, PREVALENCE)

    assert disagreement[0] == pytest.approx([np.log(10) / np.log(99), 0.0, 0.0], abs=1e-6)


def test_members_that_contradict_each_other_outright_disagree_by_one():
    certain = np.array([[[0.0, 1.0]]], np.float32)

    assert POLICIES["iwal"].disagreement(certain, np.array([0.5])).tolist() == [[1.0]]
