"""A feed through the real service, killed on the way: every product once, the ledger balanced, the model rebuilt."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.catalogue import write_feed

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "exactly_once.py"
PRODUCTS, KILLS = 600, 2
SETS = ("model.bits=14", "model.width=8", "model.hidden=16", "model.members=2", "learning.checkpoint_seconds=1")


@pytest.mark.slow
@pytest.mark.parametrize("log", ["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def test_a_killed_service_loses_nothing_and_repeats_nothing(log, request, tmp_path):
    feed, report = tmp_path / "shop.jsonl.gz", tmp_path / "report.json"
    outputs = write_feed(feed, PRODUCTS, seed=3)
    words = [feed, outputs, "--log", log, "--kills", KILLS, "--rate", 200, "--share", 0.1, "--window", 300]
    words += ["--report", report, *(word for change in SETS for word in ("--set", change))]
    if log == "kafka":
        words += ["--kafka", request.getfixturevalue("broker")]

    done = subprocess.run(
        [sys.executable, BENCHMARK, *map(str, words)], capture_output=True, text=True, timeout=280, check=False
    )

    assert report.exists(), done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert set(found["holds"].values()) == {True}, done.stdout + done.stderr
    assert (len(found["kills"]), found["predictions"], done.returncode) == (KILLS, PRODUCTS, 0)
