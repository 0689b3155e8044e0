"""Which model learns is a setting; what cannot be had is said, by name."""

import sys
from dataclasses import replace

import pytest

from models.learner import Learner
from models.lessons import LearnerSettings
from models.river_learner import RiverLearner
from service.checkpoints import fingerprint, rebuild, restore, write
from service.kinds import new_learner
from service.settings import Misconfigured

SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=2, memory=200, batch=16, rehearsals=2)
RIVER = replace(SMALL, kind="river", river_members=2)


def test_the_kind_says_which_model_learns():
    kinds = [type(new_learner(("a", "b"), settings, seed=0)) for settings in (SMALL, RIVER)]

    assert kinds == [Learner, RiverLearner]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("forest", "one of logistic, chain, or module:factory"),
        ("nowhere:make", "No module named 'nowhere'"),
        ("river.linear_model:Nothing", "Nothing"),
        ("river.linear_model:LinearRegression", "neither a MultiLabelClassifier nor a Classifier"),
        ("river.tree:HoeffdingTreeClassifier", "give it a seed"),
        ("river.linear_model:", "one of logistic"),
    ],
)
def test_a_classifier_that_cannot_be_had_is_said_by_name(named, said):
    with pytest.raises(Misconfigured) as error:
        new_learner(("a",), replace(RIVER, river_classifier=named), seed=0)

    assert f"model.river_classifier = {named!r}" in str(error.value)
    assert said in str(error.value)


OWN = """
from river import base, linear_model, multioutput

class Mine(linear_model.LogisticRegression):
    pass

def make():
    return multioutput.PerOutputClassifier(Mine())
"""


def test_a_classifier_of_ones_own_is_kept_and_comes_back(tmp_path, monkeypatch, desk):
    (tmp_path / "ourclassifiers.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    settings = replace(RIVER, river_classifier="ourclassifiers:make")
    desk.learner = new_learner(("red", "shoe", "rare"), settings, seed=0)
    desk.tell(desk.query("q1"), desk.label("q1", answers={"red": True, "shoe": False, "rare": False}))
    checkpoint = write(tmp_path / "checkpoints", desk.learner)
    with desk.ledger.transaction():
        desk.ledger.add_checkpoint(checkpoint, fingerprint(settings, 0), 0.0)
    desk.tell(desk.query("q2"), desk.label("q2", answers={"red": False, "shoe": None, "rare": False}))

    def make(outputs):
        return new_learner(outputs, settings, seed=0)

    back = restore(tmp_path / "checkpoints", desk.ledger, fingerprint(settings, 0), make=make)

    assert (back.checkpoint, back.batches) == (checkpoint.batch, 1)
    assert back.learner.digest() == desk.learner.digest() == rebuild(desk.ledger, make).digest()
    del sys.modules["ourclassifiers"]
