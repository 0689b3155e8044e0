"""The service and the commands that tests of candidates use."""

import sys

import pytest

from service.cli import main
from shared.trial import BAD, Shop


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path / "data", **BAD)


@pytest.fixture
def askance(monkeypatch, capsys, shop):
    """Run a command on the shop's data; its exit status and what it printed."""
    monkeypatch.delenv("ASKANCE_CONFIG", raising=False)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["askance", *map(str, words), "--data-dir", str(shop.settings.data_dir)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, " ".join((printed.out + printed.err).split())

    return run
