"""A space learnt from products without labels: toy feeds in which some words are used alike."""

import numpy as np
import pytest

from models.embeddings import beginning, directions
from models.features import phrases
from models.latent import _BITS, PASSES, TooLittle, _weighed, fit
from models.lessons import LearnerSettings
from models.messages import Product
from service.encoders import Cached, Encoders, whole
from service.latent_file import ABOUT, TENSORS, LatentEncoder, Sample, is_latent, write
from service.settings import Misconfigured

SHOES, POTS = ("leather", "laces", "sole", "running"), ("steel", "litre", "handle", "kitchen")


def titles(seed=0, count=300, *, alike=True):
    """Sneakers and trainers never stand in one title, but beside the same words; or, if not alike, beside any."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        name = ("sneakers", "trainers", "kettle")[number % 3]
        beside = (POTS if name == "kettle" else SHOES) if alike else (*SHOES, *POTS)
        made.append(" ".join(random.permutation([name, *random.choice(beside, 2), f"model{random.integers(60)}"])))
    return made


def space_of(texts, dimensions=6):
    *_, space = fit(texts, dimensions)
    return space


@pytest.fixture(scope="module")
def space():
    return space_of(titles())


def gap(seed, *, alike):
    """How much nearer sneakers are to trainers than to a kettle, where two directions are all there is room for."""
    sneakers, trainers, kettle = space_of(titles(seed, alike=alike), 2).embed(["sneakers", "trainers", "kettle"])
    sneakers, trainers, kettle = (place / np.linalg.norm(place) for place in (sneakers, trainers, kettle))
    return float(sneakers @ trainers - sneakers @ kettle)


def test_words_used_alike_lie_near_each_other_though_they_never_stand_together():
    assert min(gap(seed, alike=True) for seed in range(6)) > 0.9


def test_words_used_at_random_lie_anywhere():
    assert min(gap(seed, alike=False) for seed in range(6)) < 0.0


def test_directions_are_those_of_the_whole_singular_value_decomposition_scaled_by_the_roots_of_its_values():
    texts = titles()
    space = space_of(texts, 5)
    left, sizes, _ = np.linalg.svd(_weighed(phrases(texts, bits=_BITS), space.words, space.rarity).toarray())
    wanted = left[:, :5] * np.sqrt(sizes[:5])

    assert np.abs(space.embed(texts)) == pytest.approx(np.abs(wanted), abs=0.02 * float(np.abs(wanted).max()))


def test_every_pass_yields_a_space():
    assert [one.places.shape[1] for one in fit(titles(), 5)] == [5] * PASSES


def test_a_text_lies_in_the_same_place_in_any_batch(space):
    texts = [*titles(count=40), "", "unheard of", "sneakers " * 200]
    together, alone = space.embed(texts), np.concatenate([space.embed([text]) for text in texts])

    assert np.array_equal(together, alone)
    assert np.array_equal(space.embed(texts * 30)[-len(texts) :], together)


def test_a_text_of_unknown_words_is_nothing(space):
    assert not space.embed(["unheard of", ""]).any()
    assert space.embed([]).shape == (0, 6)


def test_a_word_of_one_text_alone_gets_no_place():
    assert not space_of([*titles(), "unique"]).embed(["unique"]).any()


@pytest.mark.parametrize(("texts", "said"), [(titles(count=5), "5 different texts"), (["a b"] * 9, "words that 2")])
def test_too_little_to_learn_from_is_said(texts, said):
    with pytest.raises(TooLittle, match=said):
        space_of(texts, 8)


def test_names_of_outputs_begin_at_nothing_in_such_a_space(space, tmp_path):
    write(tmp_path / "new", space, 300)
    cached = Encoders("cpu", 10).of(str(tmp_path / "new"))

    assert cached.embed(["sneakers"]).any()
    assert not beginning(("type:sneakers", "type:kettle"), cached, LearnerSettings()).any()


def test_what_comes_back_from_a_folder_says_the_same_and_is_known_by_what_it_holds(space, tmp_path):
    for name in ("one", "other"):
        write(tmp_path / name, space_of(titles()), 300)
    write(tmp_path / "another", space_of(titles(1)), 300)
    one, other, another = (LatentEncoder(tmp_path / name) for name in ("one", "other", "another"))

    said, meant = (directions(whole(rows)) for rows in (one.encode(titles()), space.embed(titles())))
    assert (said * meant).sum(axis=1).min() > 0.999  # places are kept to three digits
    assert one.digest == other.digest != another.digest
    for file in (ABOUT, TENSORS):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_an_encoder_is_pinned_to_the_folder_and_what_it_holds(space, tmp_path):
    write(tmp_path / "new", space, 300)
    encoders = Encoders("cpu", 10)
    pinned = encoders.pinned(str(tmp_path / "new"))

    assert pinned == f"{tmp_path / 'new'}#{LatentEncoder(tmp_path / 'new').digest[:16]}"
    assert isinstance(encoders.of(pinned), Cached)
    with pytest.raises(Misconfigured, match="another encoder lies there"):
        encoders.of(f"{tmp_path / 'new'}#0123456789abcdef")


def test_a_folder_that_exists_is_never_written_over(space, tmp_path):
    with pytest.raises(Misconfigured, match="exists already"):
        write(tmp_path, space, 300)
    with pytest.raises(Misconfigured, match="there is no folder"):
        write(tmp_path / "no" / "such", space, 300)

    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_crash_left_half_written_is_no_encoder_and_in_nobodys_way(space, tmp_path):
    half = tmp_path / "new.partial"
    half.mkdir()
    (half / TENSORS).write_bytes(b"half")
    assert not is_latent(half)
    write(tmp_path / "new", space, 300)

    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (TENSORS, b"other", "not what was written"), (ABOUT, b"{}", "cannot be read"), (ABOUT, b"[", "cannot be read"),
        (ABOUT, b'{"format": 9}', "format 9"), (TENSORS, None, "cannot be read"),
    ],
)  # fmt: skip
def test_a_folder_that_is_not_whole_is_refused(space, tmp_path, file, content, said):
    folder = tmp_path / "new"
    write(folder, space, 300)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)

    with pytest.raises(Misconfigured, match=rf"model\.encoder = .*{said}"):
        LatentEncoder(folder)


def test_a_sample_is_of_different_texts_and_does_not_depend_on_their_order():
    products = [Product(id=str(n), title=f"title {n % 50}") for n in range(200)]
    chosen = []
    for order in (products, products[::-1]):
        sample = Sample(20)
        for product in order:
            sample.add(product)
        chosen.append(sample.texts())

    assert chosen[0] == chosen[1]
    assert len(set(chosen[0])) == 20


def test_a_sample_leaves_products_without_text_aside():
    sample = Sample(5)
    sample.add(Product(id="1", title=" "))

    assert sample.texts() == []
