"""The report on the command line: what it prints, writes, and how it ends."""

import json
import sys

import pytest

from service.cli import main
from service.ledger import Ledger


@pytest.fixture
def askance(monkeypatch, capsys, desk):
    """Run a command over the desk's ledger, which nobody else has open; its exit status and all it printed."""
    desk.ledger.close()
    monkeypatch.delenv("ASKANCE_CONFIG", raising=False)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["askance", *map(str, words), "--data-dir", str(desk.folder)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, " ".join((printed.out + printed.err).split())

    return run


def test_a_new_ledger_knows_nothing_and_says_so(askance):
    status, text = askance("report", "--check")

    assert status == 0
    assert "0 arrivals evaluated" in text
    assert "0.0-100.0" in text
    assert "sums check" in text


def test_a_target_that_is_not_shown_to_be_met_ends_with_1(askance):
    status, text = askance("report", "--target-precision", "0.9")

    assert (status, "3 are unproven" in text) == (1, True)


def test_json_and_drawing_are_written(askance, tmp_path):
    status, _ = askance("report", "--json", tmp_path / "r.json", "--plot", tmp_path / "r.html")

    written = json.loads((tmp_path / "r.json").read_text())
    assert (status, [output["output"] for output in written["now"]["outputs"]]) == (0, ["red", "shoe", "rare"])
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_an_image_is_written(askance, tmp_path):
    pytest.importorskip("matplotlib")

    status, _ = askance("report", "--png", tmp_path / "r.png")

    assert (status, (tmp_path / "r.png").read_bytes()[:8]) == (0, b"\x89PNG\r\n\x1a\n")


def test_an_image_without_matplotlib_is_misuse_that_says_how_to_install_it(askance, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    status, text = askance("report", "--png", tmp_path / "r.png")

    assert (status, "askance[plot]" in text) == (2, True)


def test_a_drawing_of_another_kind_is_misuse(askance, tmp_path):
    status, text = askance("report", "--plot", tmp_path / "r.png")

    assert (status, "NAME.html or NAME.svg" in text) == (2, True)


def test_an_epoch_is_opened_with_its_reason(askance, desk):
    status, _ = askance("epoch", "--reason", "new [suppliers]")

    ledger = Ledger(desk.folder, read_only=True)
    epochs = [(epoch.number, epoch.reason) for epoch in ledger.evidence.epochs()]
    ledger.close()
    assert (status, epochs) == (0, [(1, "first outputs"), (2, "new [suppliers]")])


def test_no_epoch_is_opened_beside_a_running_service(askance, desk):
    running = Ledger(desk.folder)
    status, text = askance("epoch", "--reason", "now")
    running.close()

    assert (status, "another process learns there" in text) == (1, True)
