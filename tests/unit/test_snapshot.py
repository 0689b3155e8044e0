from dataclasses import replace

import numpy as np
import pytest

from models.features import featurise
from models.messages import Product
from models.names import Names
from models.snapshot import Shelf
from models.table import Bag, Directory, weigh
from shared.lessons import SMALL, product, taught


def test_a_shelf_gives_back_every_row_as_it_was_put_last():
    random = np.random.default_rng(1)
    shelf = Shelf(2, 3)
    linear, embedding = np.zeros((400, 2), np.float32), np.zeros((400, 3), np.float32)
    for count in range(10, 400, 10):
        rows = np.unique(np.append(random.integers(0, count, 20), np.arange(count - 10, count)))
        linear[rows], embedding[rows] = random.random((len(rows), 2)), random.random((len(rows), 3))
        shelf.put(rows, (linear[rows], embedding[rows]), count)

        assert np.array_equal(shelf.tables[0][shelf.places], linear[:count])
        assert np.array_equal(shelf.tables[1][shelf.places], embedding[:count])


def test_what_was_read_from_a_shelf_stays_though_more_is_put():
    shelf = Shelf(1)
    table = np.ones((3, 1), np.float32)
    shelf.put(np.arange(3), [table], 3)
    kept = (shelf.tables[0], shelf.places)
    for step in range(2_000):
        table[1] = step
        shelf.put(np.array([1]), [table[1:2]], 3)

    assert kept[0][kept[1]].tolist() == [[1.0]] * 3
    assert len(shelf.tables[0]) < 2_000


def test_what_was_scored_before_changes_no_score():
    some, more = (featurise([product(number) for number in each], bits=SMALL.bits) for each in (range(5), range(9)))
    used, unused = taught(4).snapshot(), replace(taught(4).snapshot())
    used.members(some)

    assert np.array_equal(used.members(more), unused.members(more))
    assert np.array_equal(used.members(more), used.members(more))


def test_a_directory_keeps_the_row_of_a_feature():
    directory = Directory(bits=10, limit=100)
    rows, fresh = directory.admit(np.array([7, 3, 7]), 1)
    again, none = directory.admit(np.array([3, 7]), 2)

    assert (rows.tolist(), sorted(fresh.tolist())) == ([1, 0, 1], [0, 1])
    assert (again.tolist(), none.tolist()) == ([0, 1], [])


def test_a_full_directory_gives_the_longest_untouched_rows_anew():
    directory = Directory(bits=10, limit=4)
    for number, ids in enumerate(([1, 2], [3, 4], [1]), start=1):
        directory.admit(np.array(ids), number)
    places = directory.places
    rows, fresh = directory.admit(np.array([9]), 4)

    assert rows.tolist() == fresh.tolist() == [1]
    assert directory.find(np.array([1, 2, 3, 4, 9])).tolist() == [0, -1, 2, 3, 1]
    assert places[9] == -1


def test_more_features_at_once_than_rows_are_taken_up_to_the_limit():
    directory = Directory(bits=10, limit=4)

    rows, _ = directory.admit(np.arange(10), 1)
    assert rows.tolist() == [0, 1, 2, 3, -1, -1, -1, -1, -1, -1]


def test_rarity_falls_with_the_products_that_have_the_feature():
    directory = Directory(bits=10, limit=100)
    directory.admit(np.array([1, 2]), 1)
    directory.seen[:2] = [9.0, 99.0]

    weights, absent = directory.rarity(99.0)
    assert weights == pytest.approx([1.0 + np.log(10.0), 1.0])
    assert absent == pytest.approx(1.0 + np.log(100.0))


def test_a_product_weighed_by_rarity_has_length_one_unknown_features_included():
    directory = Directory(bits=20, limit=100)
    features = featurise([Product(id="1", title="red shoes"), Product(id="2", title="")], bits=20)
    directory.admit(features.ids[::2], 1)
    rarity, absent = directory.rarity(5.0)
    bag = weigh(features, directory.places, rarity, absent)

    assert np.linalg.norm(bag.everything) == pytest.approx(1.0, abs=1e-6)
    assert bag.rows.tolist() == directory.find(features.ids[::2]).tolist()
    assert bag.values.tolist() == bag.everything[::2].tolist()
    assert bag.offsets.tolist() == [0, len(bag.rows), len(bag.rows)]


@pytest.mark.parametrize("width", [0, 1, 7, 64])
def test_rows_are_summed_as_by_a_sparse_product_to_the_last_bit(width):
    random = np.random.default_rng(width)
    offsets = np.cumsum([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 40])
    rows, values = random.integers(0, 50, offsets[-1]), random.normal(size=offsets[-1]).astype(np.float32)
    table, none = random.normal(size=(50, width)).astype(np.float32), np.zeros(0, np.float32)
    bag = Bag(rows, values, values, offsets, values, none)

    assert np.array_equal(bag.sums(values, rows, table), bag.matrix(values, rows, 50) @ table)


def test_features_of_a_larger_model_are_refused_rather_than_looked_up_beyond_the_end():
    features = featurise([Product(id="1", title="red shoes")], bits=20)

    with pytest.raises(IndexError, match="beyond"):
        weigh(features, Directory(bits=10, limit=100).places, np.zeros(0, np.float32), 1.0)
    with pytest.raises(IndexError, match="beyond"):
        Names(["red"], bits=10).likeness(features)
