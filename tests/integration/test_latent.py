"""An encoder learnt from products without labels, by the command, under a whole service."""

import json
import sys
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry

from models.chance import query_id
from models.coding import encode
from models.messages import Label, Product
from models.records import Outgoing
from service.assembly import clients, make_both, open_both
from service.challenges import Kind
from service.cli import main
from service.latent_file import LatentEncoder
from service.learners import encoders_of, rebuilt, restored
from service.ledger import Ledger
from service.loop import run
from service.settings import read_settings
from shared.turns import Turns

SETTINGS = {
    "outputs": ["colour:red", "type:shoes"], "http.enabled": False, "asking.share": 1.0, "log.wait_seconds": 0.0,
    "log.batch": 20, "log.partitions": 1, "model.bits": 12, "model.width": 8, "model.hidden": 16, "model.members": 2,
    "model.rehearsals": 1, "learning.batch": 10,
}  # fmt: skip
WORDS = ("crimson sneakers", "blue kettle", "scarlet hat", "white trainers")
PRODUCTS = [Product(id=f"p{n}", title=f"{WORDS[n % 4]} series {n // 8}") for n in range(60)]
LEARN = ("encoder", "learn", "--dimensions", 8)


def labelled(n):
    answers = {"colour:red": n % 2 == 0, "type:shoes": n % 4 in (0, 3)}
    label = Label(query=query_id("askance", f"products/0/{n}"), annotator="a", answers=answers)
    return Outgoing("labels", label.query.encode(), encode(label))


@pytest.fixture
def shop(tmp_path):
    settings = read_settings(None, SETTINGS | {"data_dir": str(tmp_path / "data")})
    with closing(clients(settings).write("shop")) as writer:
        writer.publish([Outgoing("products", one.id.encode(), encode(one)) for one in PRODUCTS], None)
        writer.publish([labelled(n) for n in range(60)], None)
    return settings


@pytest.fixture
def feed(tmp_path):
    path = tmp_path / "shop.jsonl"
    path.write_text("".join(json.dumps({"id": one.id, "title": one.title}) + "\n" for one in PRODUCTS) + "{no\n")
    return path


@pytest.fixture
def askance(monkeypatch, capsys, tmp_path):
    """Run a command on the shop's data; its exit status and what it printed."""
    monkeypatch.delenv("ASKANCE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words):
        command = [*words, "--data-dir", tmp_path / "data"]
        monkeypatch.setattr(sys, "argv", ["askance", *map(str, command)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, " ".join((printed.out + printed.err).split())

    return run


def serve(settings, turns):
    """One process: digest of its model, and lessons learnt."""
    service = make_both(settings, CollectorRegistry())
    try:
        run(service, open_both(settings, service.learning.ledger), Turns(turns))
        return service.learning.learner.digest(), service.learning.learner.version
    finally:
        service.learning.ledger.close()


def test_a_service_with_an_encoder_learnt_from_its_feed_comes_back_the_same(shop, feed, askance, tmp_path):
    status, said = askance(*LEARN, feed, "--out", tmp_path / "space")
    with_it = SETTINGS | {"data_dir": str(shop.data_dir), "model.encoder": str(tmp_path / "space")}
    settings = read_settings(None, with_it)
    serve(settings, 3)
    live, version = serve(settings, 40)
    with closing(Ledger(shop.data_dir, read_only=True)) as ledger:
        encoders = encoders_of(settings)
        now, anew = restored(settings, ledger, encoders).learner, rebuilt(settings, ledger, encoders)
        plain = rebuilt(shop, ledger, encoders_of(shop))

    assert (status, version > 1) == (0, True), said
    assert "1 lines skipped" in said
    assert now.digest() == anew.digest() == live != plain.digest()


@pytest.mark.usefixtures("shop")
def test_the_log_teaches_what_a_feed_of_its_products_teaches(feed, askance, tmp_path):
    for words in (["--from-log", "--out", tmp_path / "log"], [feed, "--out", tmp_path / "feed"]):
        status, said = askance(*LEARN, *words)
        assert status == 0, said

    assert LatentEncoder(tmp_path / "log").digest == LatentEncoder(tmp_path / "feed").digest


def test_a_running_service_tries_such_an_encoder_beside_the_model_that_serves(shop, askance, tmp_path):
    serve(shop, 3)
    learnt, _ = askance(*LEARN, "--from-log", "--out", tmp_path / "space")
    started, said = askance("candidate", "start", "--set", f"model.encoder={tmp_path / 'space'}")
    serve(shop, 40)
    with closing(Ledger(shop.data_dir, read_only=True)) as ledger:
        candidate = ledger.challenges.newest(Kind.CANDIDATE)

    assert (learnt, started) == (0, 0), said
    assert candidate.recipe.settings.encoder == (
        f"{tmp_path / 'space'}#{LatentEncoder(tmp_path / 'space').digest[:16]}"
    )
    assert sum(one.answers for one in candidate.contrasts) > 0


@pytest.mark.usefixtures("shop", "feed")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "new"], "say what to learn from"), (["shop.jsonl", "--out", "data"], "exists already"),
        (["shop.jsonl", "--out", "new", "--dimensions", 200], "32 different texts of products for 200 dimensions"),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_is_said_and_leaves_nothing(askance, tmp_path, words, said):
    status, printed = askance(*LEARN, *words)

    assert (status, said in printed) == (2, True), printed
    assert not (tmp_path / "new").exists()
