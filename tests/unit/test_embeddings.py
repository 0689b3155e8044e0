"""What an encoder says of products and outputs, in the model: a toy encoder of known directions."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from models.embeddings import TEXT, UNENCODED, beginning, directions, read, text_of
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.linear import Linear
from models.messages import Product

OUTPUTS = ("colour:red", "type:shoes")
SETTINGS = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=2, memory=50, batch=8, rehearsals=3)


WORDS = {"red": (9, 1, 0), "crimson": (9, 0, 1), "shoes": (0, 9, 1), "sneakers": (1, 9, 0), "hat": (0, 0, 9)}


class Meanings:
    """Directions by known words; `crimson` means nearly what `red` means, though no letter says so."""

    dimensions, knows_names = 3, True

    def embed(self, texts):
        rows = [np.sum([(0, 0, 0), *(WORDS.get(word, (0, 0, 0)) for word in text.split())], axis=0) for text in texts]
        return np.array(rows, np.int8).reshape(len(texts), 3)


def lesson(number, title, *targets):
    product = Product(id=str(number), title=title)
    return Lesson(query=f"q{number}", product=product, targets=np.float32(targets), chance=np.ones(2, np.float32))


TAUGHT = [
    lesson(1, "crimson hat", 1, 0), lesson(2, "sneakers", 0, 1), lesson(3, "hat", 0, 0), lesson(4, "red shoes", 1, 1)
]  # fmt: skip


def learner(encoder=None, outputs=OUTPUTS, **changes):
    return Learner(outputs, replace(SETTINGS, **changes), seed=1, encoder=encoder or Meanings())


def scores(model, *titles):
    products = [Product(id=title, title=title) for title in titles]
    return model.snapshot().members(read(products, model.encoder, bits=SETTINGS.bits)).mean(axis=2)


def test_before_any_answer_a_product_that_means_what_an_output_is_called_is_likelier():
    crimson, sneakers = scores(learner(), "crimson hat", "sneakers")

    assert crimson[0] > 1.5 * sneakers[0]
    assert sneakers[1] > 1.5 * crimson[1]


def test_without_names_products_differ_by_nothing_before_any_answer():
    crimson, sneakers = scores(learner(encoder_names=0.0, prior=0.0), "crimson hat", "sneakers")

    assert crimson == pytest.approx(sneakers)


def test_what_is_learnt_from_a_word_carries_over_to_one_that_means_the_same():
    gap = {}
    for encoder in (Meanings(), UNENCODED):
        model = learner(encoder, encoder_names=0.0, names=0.0, prior=0.0)
        model.update(1, [lesson(1, "red", 1, 0), lesson(2, "hat", 0, 0), lesson(3, "shoes", 0, 1)])
        crimson, sneakers = scores(model, "crimson", "sneakers")
        gap[encoder] = crimson[0] - sneakers[0]
    with_meaning, without = gap.values()

    assert with_meaning > 0.1
    assert with_meaning > 3 * abs(without)


def test_a_single_output_keeps_the_whole_direction_of_its_name():
    (start,) = beginning(("red",), Meanings(), SETTINGS).T

    assert start == pytest.approx(10.0 * directions(np.int8([[9, 1, 0]]))[0])


def test_what_all_names_share_says_nothing():
    start = beginning(tuple(f"f{n}:red" for n in range(200)), Meanings(), SETTINGS)

    assert np.abs(start).max() < 0.1


def test_the_text_of_a_product_is_bounded():
    product = Product(id="1", title="t" * 10_000, brand="b" * 10_000, description="d" * 100_000)

    assert len(text_of(product)) == TEXT


def test_a_restored_learner_goes_on_as_if_it_had_never_stopped():
    whole, resumed = learner(), learner()
    whole.update(1, TAUGHT[:2])
    resumed.restore(whole.state())
    for model in (whole, resumed):
        model.update(2, TAUGHT[2:])

    assert resumed.digest() == whole.digest()
    assert np.array_equal(scores(resumed, "crimson hat"), scores(whole, "crimson hat"))


def test_a_withdrawn_answer_leaves_the_weights_of_embeddings_as_they_were():
    model = learner(rehearsals=0)
    before = model.snapshot().encoded.copy()
    model.update(1, TAUGHT[:1])
    assert not np.allclose(model.snapshot().encoded, before, atol=1e-3)
    model.update(2, [replace(TAUGHT[0], targets=np.full(2, np.nan, np.float32))])

    assert model.snapshot().encoded == pytest.approx(before, abs=1e-5)


def test_outputs_that_come_later_start_from_their_names_and_others_keep_what_they_know():
    model = learner(outputs=("colour:red",))
    model.update(1, [replace(one, targets=one.targets[:1], chance=one.chance[:1]) for one in TAUGHT])
    known = model.snapshot().encoded[:, 0].copy()
    model.change_outputs(2, ("type:shoes", "colour:red"))
    encoded = model.snapshot().encoded

    assert np.array_equal(encoded[:, 1], known)
    assert np.array_equal(encoded[:, 0], beginning(("type:shoes", "colour:red"), Meanings(), SETTINGS)[:, 0])


def test_without_an_encoder_the_state_holds_nothing_of_embeddings():
    assert not [name for name in learner(UNENCODED).state() if "encoded" in name or "embeddings" in name]


def test_passes_over_the_answers_reach_the_optimum_of_scikit_learn_with_embeddings_beside_the_features():
    random = np.random.default_rng(3)
    counts = random.random((30, 8), np.float32) + np.float32(0.01)
    embeddings = random.integers(-127, 128, (30, 4)).astype(np.int8)
    truth = (embeddings[:, 0] > counts[:, 0] * 20).astype(np.float32)
    start, scale = random.normal(size=(4, 1)).astype(np.float32), 1.5
    linear, even = Linear(8, 1, start, scale), np.ones(8, np.float32)
    share, scales = np.zeros((30, 1), np.float32), np.zeros(30)
    for _ in range(300):
        for i in range(30):
            share[i], scales[i], _ = linear.learn(
                np.arange(8), counts[i], even, even[:, None], share[i], scales[i], bias=np.zeros(1, np.float32),
                targets=truth[i : i + 1], cost=np.float32([5.0]), embedding=embeddings[i],
            )  # fmt: skip
    beside = directions(embeddings) * scale
    whole = np.hstack([counts / np.linalg.norm(counts, axis=1, keepdims=True), np.ones((30, 1)), beside])

    def loss(weights):
        """Of a penalty around where the weights of embeddings began."""
        logits = whole @ weights
        away = weights - np.concatenate([np.zeros(9), start[:, 0]])
        return 5.0 * np.sum(np.logaddexp(0.0, logits) - truth * logits) + 0.5 * away @ away

    ours = np.concatenate([linear.weights[:, 0], linear.intercept, linear.encoded[:, 0]]).astype(np.float64)
    nearby = [loss(ours + 0.02 * step) for step in random.normal(size=(200, 13))]
    centre = LogisticRegression(C=5.0, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(csr_array(whole), truth)

    assert loss(ours) < min(nearby)
    assert loss(ours) < loss(centre.coef_[0])  # the optimum around nothing is another
