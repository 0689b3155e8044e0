"""Objects as bytes: the same value gives the same bytes, and only models come back."""

import os
import pickle
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from river import linear_model, multioutput, naive_bayes

from models.pickled import packed, unpacked

WORDS = ["red", "shoe"]


def test_texts_that_are_shared_or_not_give_the_same_bytes():
    text = " ".join(WORDS)
    again = " ".join(WORDS)

    assert text is not again
    assert packed([text, again]) == packed([text, text])
    assert pickle.dumps([text, again]) != pickle.dumps([text, text])


def test_bytes_do_not_depend_on_the_process():
    program = "import sys; from models.pickled import packed; sys.stdout.buffer.write(packed({'red', 'shoe', 'hat'}))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]

    assert runs[0] == runs[1]
    assert unpacked(runs[0]) == {"red", "shoe", "hat"}


def test_what_was_packed_comes_back():
    model = multioutput.MultiClassEncoder(naive_bayes.MultinomialNB())
    model.learn_one({1: 0.5, 7: 0.25}, {"red": True, "shoe": False})
    things = [model, Counter("aab"), np.arange(3.0), np.float64(0.5), {"a", "b"}, ("x", 1, None, True)]

    back = unpacked(packed(things))

    assert packed(back) == packed(things)
    assert back[0].predict_proba_one({1: 0.5}) == model.predict_proba_one({1: 0.5})
    assert back[1:2] + back[3:] == things[1:2] + things[3:]


class Elsewhere:
    """Of no model."""


class Calls:
    """Runs a command when it is read, if it can."""

    def __init__(self, call, *arguments):
        self.made = (call, arguments)

    def __reduce__(self):
        return self.made


@pytest.mark.parametrize(
    "thing",
    [Elsewhere(), Calls(os.system, "true"), Calls(eval, "1"), Calls(getattr, 1, "real"), Calls(np.fromfile, "x")],
)
def test_what_is_not_of_a_model_is_refused(thing):
    with pytest.raises(ValueError, match="is not of a model"):
        unpacked(packed(thing))


def test_a_way_through_another_module_is_refused():
    name = b"\x80\x04\x8c\x1ariver.linear_model.log_reg\x8c\x0eoptim.base.abc\x93."

    with pytest.raises(ValueError, match="is not of a model"):
        unpacked(name)


def test_packages_that_are_named_are_let_through():
    name = type(linear_model.Perceptron()).__module__.partition(".")[0]

    assert isinstance(unpacked(packed(linear_model.Perceptron()), [name]), linear_model.Perceptron)
    assert isinstance(unpacked(packed(Elsewhere()), [Elsewhere.__module__.partition(".")[0]]), Elsewhere)


@pytest.mark.parametrize("data", [b"", b"nonsense", packed([1, 2])[:-3]])
def test_damaged_bytes_are_said(data):
    with pytest.raises(ValueError, match="cannot be read"):
        unpacked(data)
