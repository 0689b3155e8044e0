"""The installed script from the feed to the proof: run, replay, annotate, ledger, audit, explain, quality."""

import re
import signal
import socket
import subprocess
import time
from contextlib import closing

import pytest

from service.catalogue import OUTPUTS, write_feed
from service.ledger import Ledger
from service.ledger_file import LedgerUnusable
from shared.commands import SCRIPT, script

PRODUCTS = 300

pytestmark = pytest.mark.slow


CONFIG = """
data_dir = "data"
outputs_file = "shop.outputs.json"
[asking]
share = 0.3
[http]
port = 0
[log]
wait_seconds = 0.05
partitions = 2
[model]
bits = 14
width = 8
hidden = 16
members = 2
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A service that scored a small feed, learnt from its answers, and was told to stop."""
    folder = tmp_path_factory.mktemp("played")
    write_feed(folder / "shop.jsonl.gz", PRODUCTS, seed=2)
    (folder / "askance.toml").write_text(CONFIG)
    config = ["--config", "askance.toml"]
    with (folder / "run.log").open("w") as log:
        service = subprocess.Popen([SCRIPT, "run", *config], cwd=folder, stderr=log, stdout=log)
        truth = ["--truth", "shop.jsonl.gz", "--annotators", "2", "--delay", "0.1", "--until-idle", "60"]
        crowd = subprocess.Popen([SCRIPT, "annotate", *truth, *config], cwd=folder, stderr=log, stdout=log)
        try:
            fed = subprocess.run([SCRIPT, "replay", "shop.jsonl.gz", *config], cwd=folder, timeout=60, check=False)
            settled = wait(lambda: done(folder / "data"))
            second = subprocess.run(
                [SCRIPT, "run", *config], cwd=folder, timeout=60, capture_output=True, text=True, check=False
            )
            crowd.send_signal(signal.SIGINT)
            service.send_signal(signal.SIGTERM)
            statuses = [service.wait(60), crowd.wait(60)]
        finally:
            for process in (service, crowd):
                process.kill()
                process.wait()
    assert settled, (folder / "run.log").read_text()
    return folder, (fed.returncode, *statuses), second


def done(data):
    try:
        with closing(Ledger(data, read_only=True)) as ledger:
            balance = ledger.balance()
            return ledger.traffic.totals().arrivals == PRODUCTS and balance["issued"] > 0 and balance["open"] == 0
    except LedgerUnusable:
        return False


def wait(condition, seconds=60):
    until = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < until:
        time.sleep(0.1)
    return met


@pytest.fixture
def there(played, monkeypatch):
    monkeypatch.chdir(played[0])
    monkeypatch.setenv("ASKANCE_CONFIG", "askance.toml")
    return played[0]


def test_everything_ends_with_0(played):
    assert played[1] == (0, 0, 0)


@pytest.mark.usefixtures("there")
def test_a_stopped_service_leaves_a_checkpoint_of_all_it_learnt(askance):
    status, text = askance("ledger")

    assert (status, ", 0 batches after it)" in text) == (0, True), text


def test_a_second_service_on_the_same_data_is_refused(played):
    assert (played[2].returncode, "another process learns there" in played[2].stderr) == (1, True)


@pytest.mark.usefixtures("there")
def test_the_ledger_balances_and_rebuilds_to_the_same_model(askance):
    status, text = askance("ledger", "--rebuild")

    assert (status, "balance holds" in text, "(the same)" in text) == (0, True, True), text


@pytest.mark.usefixtures("there")
def test_the_audit_is_clean(askance):
    status, text = askance("audit")

    numbers = dict(re.findall(r"│ (\S[\w ,-]*?) +│ ([\d.,]+) +│", text))
    assert (status, numbers["predicted"], numbers["problems"]) == (0, str(PRODUCTS), "0"), text


@pytest.mark.usefixtures("there")
def test_the_audit_with_another_key_names_what_does_not_hold(askance):
    status, text = askance("audit", "--set", "asking.seed=another")

    assert (status, "is not that of the key" in text) == (1, True)


def test_a_product_is_explained_to_its_batch(there, askance):
    with closing(Ledger(there / "data", read_only=True)) as ledger:
        (query, _), *_ = next(batch.lessons for batch in ledger.batches.after(0) if batch.lessons)

    status, text = askance("explain", query.product.id)

    words = ("predicted", "scores", "chance", "because", "answer", "learnt     in batch")
    assert (status, [word for word in words if word not in text]) == (0, []), text


@pytest.mark.usefixtures("there")
def test_the_unknown_is_not_explained(askance):
    status, text = askance("explain", "[/nobody]")

    assert (status, "nothing is known of '[/nobody]'" in text) == (1, True)


@pytest.mark.usefixtures("there")
def test_quality_is_shown_window_by_window(askance):
    status, text = askance("quality", "--truth", "shop.jsonl.gz", "--window", 100)

    assert (status, re.findall(r"│ (\d+) +│ \d+ +│ \d+ +│", text)) == (0, ["100", "200", "300"]), text


@pytest.mark.usefixtures("there")
def test_quality_of_too_few_is_a_failure(askance):
    status, text = askance("quality", "--truth", "shop.jsonl.gz", "--window", 5000)

    assert (status, "--window" in text) == (1, True)


def test_dropping_an_output_is_misuse_unless_confirmed(there):
    (there / "fewer.txt").write_text("\n".join(OUTPUTS[1:]))

    status, text = script("run", "--config", "askance.toml", "--outputs", "fewer.txt")

    said = " ".join(text.split())
    assert (status, OUTPUTS[0] in said, "learning.confirm_removed" in said) == (2, True, True)


def test_a_port_in_use_is_a_failure_that_names_the_setting(tmp_path):
    outputs = write_feed(tmp_path / "shop.jsonl.gz", 10, seed=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, text = script(
            "run", "--outputs", outputs, "--data-dir", tmp_path / "data", "--set", f"http.port={port}"
        )

    assert (status, f"cannot listen at 127.0.0.1:{port}" in text, "http.port" in text) == (1, True, True)
