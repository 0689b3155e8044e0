"""The demonstration runs by itself, on nothing but a temporary directory, and says the truth about itself."""

import io
import re

import pytest
from rich.console import Console

from service.demo import run_demo

pytestmark = pytest.mark.slow
HOLDS = (
    "every query is accounted for",
    "every decision in the log is the one the key and the chance demand",
    "the model rebuilt from the ledger alone is the same, bit for bit",
)


def test_the_demonstration_checks_itself_whatever_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("ASKANCE_KAFKA__BOOTSTRAP", "nowhere:1")
    monkeypatch.setenv("ASKANCE_OUTPUTS_FILE", "nowhere.json")
    shown = Console(file=io.StringIO(), width=200)

    good = run_demo(products=800, rate=200.0, seed=0, keep=tmp_path / "kept", console=shown)

    text = shown.file.getvalue()
    assert [what for what in HOLDS if f"yes {what}" not in text] == [], text
    assert good == ("yes quality rose" in text)
    assert re.search(r"audit: 800 arrivals, \d+ asked, 0 problems", text), text
    assert (tmp_path / "kept" / "ledger.sqlite").exists()
