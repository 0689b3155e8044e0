import numpy as np
import pytest

from models.features import Features, featurise
from models.learner import Learner, LearnerSettings, Lesson
from models.messages import Product
from models.names import Names, words_of

BITS = 16
OUTPUTS = ("type:sports-shoes", "type:bag", "output-17", "type:")
SMALL = LearnerSettings(bits=BITS, members=2, width=8, hidden=8, sketch=4)


def said(*titles: str) -> Features:
    return featurise([Product(id=title, title=title) for title in titles], bits=BITS)


def likeness(*titles: str) -> np.ndarray:
    return Names(OUTPUTS, bits=BITS).likeness(said(*titles))


@pytest.mark.parametrize(
    ("output", "words"), [("type:sports-shoes", "sports shoes"), ("a:b:c_d", "c d"), ("plain", "plain"), ("odd:", "")]
)
def test_an_output_is_called_by_the_words_after_its_field(output, words):
    assert words_of(output) == words


def test_a_product_that_says_all_of_a_name_has_likeness_one_and_one_that_says_nothing_of_it_none():
    found = likeness("Red SPORTS shoes, size 41", "garden hose")

    assert found[:, :2].tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_half_of_a_name_is_worth_some_of_it_and_a_singular_some_of_the_plural():
    shoes, shoe = likeness("leather shoes", "leather shoe")

    assert 0.2 < shoes[0] < 0.8
    assert 0.0 < shoe[0] < shoes[0]


def test_an_output_without_a_name_is_like_nothing():
    assert not likeness("sports shoes", "bag", "")[:, 3].any()


def test_a_long_description_does_not_make_a_product_less_like_a_name():
    wordy = Product(id="1", title="bag", description=" ".join(f"word{number}" for number in range(500)))

    assert Names(OUTPUTS, bits=BITS).likeness(featurise([wordy], bits=BITS))[0, 1] == 1.0


def test_the_likeness_of_a_product_is_the_same_in_any_batch():
    titles = ("sports shoes", "a bag of shoes", "sportswear", "hose")
    together = likeness(*titles)

    assert np.array_equal(together, np.concatenate([likeness(title) for title in titles]))
    assert np.array_equal(together[::-1], likeness(*titles[::-1]))


def test_before_any_answer_products_are_ranked_by_what_outputs_are_called():
    snapshot = Learner(OUTPUTS, SMALL, seed=1).snapshot()
    scores = snapshot.scores(snapshot.members(said("sports shoes", "bag", "hose")))

    assert np.argmax(scores[:, :2], axis=0).tolist() == [0, 1]


def test_names_that_mislead_are_overruled_by_answers():
    learner = Learner(("type:bag",), SMALL, seed=1)
    before = learner.snapshot().named.item()
    for number in range(1, 30):
        says = number % 2 == 0
        product = Product(id=str(number), title=f"bag {number}" if says else f"thing {number}")
        learner.update(number, [Lesson(
            query=str(number), product=product, targets=np.float32([not says]), chance=np.ones(1, np.float32)
        )])  # fmt: skip
    snapshot = learner.snapshot()
    bag, thing = snapshot.scores(snapshot.members(said("bag", "thing")))[:, 0]

    assert bag < thing
    assert snapshot.named.item() < before


@pytest.mark.parametrize("withdrawn", [True, False])
def test_a_withdrawn_answer_takes_what_it_did_to_the_weight_of_a_name_with_it(withdrawn):
    learner = Learner(("type:bag",), SMALL, seed=1)
    ones = np.ones(1, np.float32)
    learner.update(1, [Lesson(query="q", product=Product(id="1", title="bag"), targets=ones * 0, chance=ones)])
    moved = learner.snapshot().named.copy()
    if withdrawn:
        learner.update(2, [Lesson(query="q", product=Product(id="1", title="bag"), targets=ones * np.nan, chance=ones)])

    assert (learner.snapshot().named == pytest.approx(SMALL.names)) == withdrawn
    assert moved.item() < SMALL.names


def test_outputs_that_are_added_later_are_known_by_their_names_too():
    learner = Learner(("type:bag",), SMALL, seed=1)
    ones = np.ones(1, np.float32)
    learner.update(1, [Lesson(query="q", product=Product(id="1", title="hose"), targets=ones * 0, chance=ones)])
    learner.change_outputs(2, ("type:hat", "type:bag"))
    snapshot = learner.snapshot()
    scores = snapshot.scores(snapshot.members(said("hat", "bag")))

    assert scores[0, 0] > scores[1, 0]
    assert scores[1, 1] > scores[0, 1]
