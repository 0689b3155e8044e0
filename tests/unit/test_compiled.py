import subprocess
import sys

import numpy as np
import pytest

from models.compiled import compiled, shared


@compiled("f4[]", "f4")
def total(values: np.ndarray, start: float) -> float:
    for value in values:
        start += value
    return start


def test_a_sum_is_made_one_after_the_other_in_the_precision_it_has():
    values = np.random.default_rng(0).random(10_001, dtype=np.float32)
    expected = np.float32(0.5)
    for value in values:
        expected += value

    assert total(values, np.float32(0.5)) == expected != np.float32(0.5) + values.sum()  # numpy sums in pairs


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros(3, np.int32), np.zeros((3, 3), np.float32)[:, 0]])
def test_arrays_of_another_type_or_order_are_refused_rather_than_compiled_for(values):
    with pytest.raises(TypeError, match="No matching definition"):
        total(values, np.float32(0.0))


def test_an_array_that_may_not_be_written_to_is_read_as_well():
    values = np.ones(3, np.float32)
    values.flags.writeable = False

    assert total(values, np.float32(0.0)) == 3.0


def test_what_is_shared_works_on_arrays_and_within_what_is_compiled():
    @shared
    def twice(value):
        return value + value

    @compiled("i8")
    def four_times(value):
        return twice(twice(value))

    assert four_times(3) == 12
    assert twice(np.array([1, 2])).tolist() == [2, 4]


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same():
    names = {"compiled": compiled}
    exec("@compiled('i8')\ndef next_to(value):\n    return value + 1", names)  # without a file, so without a cache

    assert names["next_to"](1) == 2


def test_what_cannot_be_compiled_says_so():
    with pytest.raises(Exception, match="unknown_name"):
        compiled("i8")(lambda value: unknown_name + value)  # noqa: F821


@pytest.mark.slow
def test_a_process_that_can_keep_nothing_starts_and_says_the_same():
    """As in a container whose file system cannot be written to."""
    program = (
        "import numba.core.caching as caching; caching.CacheImpl._locator_classes = [];"
        "from models.features import featurise; from models.messages import Product;"
        "print(featurise([Product(id='1', title='Red Shoes')], bits=20).ids.tolist()[:2])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[39737, 262785]"
