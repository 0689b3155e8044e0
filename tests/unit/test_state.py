import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from models.state import array, digest, moved, names, part, prefixed, tensor, texts


@pytest.mark.parametrize("values", [[], [""], ["a", "b"], ["x\x1fy", "\x00", "naïve ☃", "a"]])
def test_names_come_back_as_they_went(values):
    assert names(texts(values)) == values


def test_words_keep_their_bits():
    words = np.array([0, 2**64 - 1, 2**63], np.uint64)

    assert array(tensor(words)).view(np.uint64).tolist() == words.tolist()


def test_a_part_of_a_state_is_what_was_prefixed():
    inner = {"x/y": torch.ones(2), "z": torch.zeros(1)}

    assert part("a", prefixed("a", inner) | prefixed("ab", inner)).keys() == inner.keys()


@pytest.mark.parametrize(
    "other",
    [
        {"x": torch.zeros(2, 2), "y": torch.ones(1)},
        {"x": torch.zeros(4), "z": torch.ones(1)},
        {"x": torch.zeros(4, dtype=torch.float64), "y": torch.ones(1)},
        {"x": torch.tensor([0.0, 0.0, 0.0, -0.0]), "y": torch.ones(1)},
    ],
)
def test_a_digest_tells_names_shapes_types_and_bits_apart(other):
    assert digest(other) != digest({"x": torch.zeros(4), "y": torch.ones(1)})


def test_a_digest_survives_safetensors():
    state = {"b": torch.tensor([True, False]), "a/x": torch.randn(3, 2), "empty": torch.zeros(0, 5), "n": texts(["q"])}

    assert digest(load(save(state))) == digest(state)


def test_a_moved_axis_takes_what_was_there_or_the_fill():
    values = np.arange(6.0).reshape(2, 3)

    assert moved(values, np.array([2, -1, 0, 0]), 9.0, axis=1).tolist() == [[2, 9, 0, 0], [5, 9, 3, 3]]
    assert moved(values[:0], np.array([-1]), 7.0).tolist() == [[7.0] * 3]
