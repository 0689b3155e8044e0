import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features import ATTRIBUTES, DESCRIPTION, TITLE, Features, featurise
from models.messages import Product

SHOE = Product(id="1", title="Red Shoes")
FULL = Product(id="2", title="ROTE Schühe", brand="Nike", feed="shop-1", price=19.99, attributes={"size": "42"})
SHOE_IDS = [39737, 262785, 274903, 299496, 574905, 621053, 744701, 807151, 987301, 1038611]

products = st.builds(
    Product,
    id=st.just("x"),
    title=st.text(max_size=40),
    brand=st.none() | st.text(max_size=10),
    description=st.none() | st.text(max_size=60),
    price=st.none() | st.floats(0, 1e15),
)


def ids(product: Product, bits: int = 20) -> set[int]:
    return set(featurise([product], bits=bits).ids.tolist())


def same(one: Features, other: Features) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("ids", "values", "offsets"))


def test_the_ids_of_a_product_are_these_for_ever():
    assert featurise([SHOE], bits=20).ids.tolist() == SHOE_IDS


def test_another_process_with_another_hash_seed_gives_the_same_ids():
    program = (
        "from models.features import featurise; from models.messages import Product;"
        "print(featurise([Product(id='1', title='Red Shoes')], bits=20).ids.tolist())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == str(SHOE_IDS)


@given(st.lists(products, max_size=6))
def test_a_batch_is_its_products_one_by_one(batch):
    together = featurise(batch, bits=18)
    one_by_one = Features.concatenate([featurise([product], bits=18) for product in batch])

    assert same(together, one_by_one)


@given(st.lists(products, min_size=1, max_size=6))
def test_ids_are_in_range_and_ascending_and_values_have_length_one(batch):
    features = featurise(batch, bits=16)

    for i in range(len(batch)):
        at = slice(features.offsets[i], features.offsets[i + 1])
        assert ((features.ids[at] >= 0) & (features.ids[at] < 2**16)).all()
        assert (np.diff(features.ids[at]) > 0).all()
        if features.ids[at].size:
            assert np.linalg.norm(features.values[at]) == pytest.approx(1.0, abs=1e-5)


def test_take_picks_products_in_the_order_given():
    features = featurise([SHOE, FULL, Product(id="3", title="hat")], bits=20)

    expected = featurise([Product(id="3", title="hat"), SHOE], bits=20)
    assert same(features.take([2, 0]), expected)


@pytest.mark.parametrize(
    ("one", "other"), [("RED SHOES", "red shoes"), ("ÉTÉ", "été"), ("ΑΘΗΝΑ", "αθηνα"), ("ЖЮЛЬ ЁЛИ", "жюль ёли"),
                       ("ŁÓDŹ ŽIŽKA", "łódź žižka")]
)  # fmt: skip
def test_capitals_are_the_same_as_small_letters(one, other):
    assert ids(Product(id="1", title=one)) == ids(Product(id="1", title=other))


@pytest.mark.parametrize("title", ["red-shoes", "red  shoes!", "«red» shoes", "red、shoes", "red\u2003shoes"])
def test_signs_and_spaces_separate_words_and_are_nothing_else(title):
    assert ids(Product(id="1", title=title)) == set(SHOE_IDS)


def test_words_do_not_run_across_fields():
    assert ids(Product(id="1", title="red", brand="shoes")).isdisjoint(
        ids(Product(id="1", title="redshoes")) - ids(Product(id="1", title="red")) - ids(Product(id="1", title="shoes"))
    )


@pytest.mark.parametrize(
    "other",
    [
        Product(id="2", title="Red Shoes", feed="shop-2"),
        Product(id="2", title="Red Shoes", price=10.0),
        Product(id="2", title="Red Shoes", attributes={"size": "9"}),
        Product(id="2", title="Red Shoes", description="shiny"),
    ],
)
def test_every_field_adds_features(other):
    assert set(SHOE_IDS) < ids(other)


def test_prices_within_a_quarter_of_a_doubling_are_the_same():
    def price(value: float) -> Product:
        return Product(id="1", title="x", price=value)

    assert ids(price(10.1)) == ids(price(11.9)) != ids(price(12.1))


def test_a_product_without_anything_has_no_features():
    assert len(featurise([Product(id="1", title="")], bits=20).ids) == 0


def test_no_products_are_no_features():
    assert len(featurise([], bits=20)) == 0


def test_the_features_of_the_largest_product_are_bounded():
    large = Product(
        id="1",
        title="ab cd " * 10_000,
        description=" ".join(str(number) for number in range(10_000)),
        attributes={str(number): "x" for number in range(256)},
    )

    assert len(ids(large, bits=30)) <= 4 * TITLE + DESCRIPTION + ATTRIBUTES


def test_twenty_thousand_short_titles_take_less_than_a_second():
    titles = [Product(id=str(i), title=f"Nike Men Air Zoom {i} Blue Running Shoes") for i in range(5_000)]
    fastest = min(_seconds(titles) for _ in range(3))

    assert len(titles) / fastest > 20_000


def _seconds(titles: list[Product]) -> float:
    started = time.process_time()
    for first in range(0, len(titles), 64):
        featurise(titles[first : first + 64], bits=20)
    return time.process_time() - started
