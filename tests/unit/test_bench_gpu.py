"""The benchmark of the GPU: its path runs on the processor, and without a GPU it ends in peace."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(*words):
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *map(str, words)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_without_a_gpu_it_says_so_and_ends_in_peace(tmp_path):
    status, said = run("--report", tmp_path / "gpu.json")

    assert status == 0
    assert said.startswith("no GPU here")
    assert not (tmp_path / "gpu.json").exists()


def test_its_path_runs_on_the_processor_and_leaves_the_page_alone(tmp_path):
    report, page = tmp_path / "gpu.json", tmp_path / "page.md"
    small = ("--outputs", 4, "--batches", 8, 32, "--answers", 64, "--rounds", 1, "--copied", 2**20)

    status, said = run("--device", "cpu", *small, "--report", report, "--page", page)

    found = json.loads(report.read_text())
    assert status == 0
    assert [one["batch"] for one in found["batches"]] == [8, 32]
    assert all(one["products_per_second"] > 0 and one["share_of_bandwidth"] > 0 for one in found["batches"])
    assert found["update_steps_per_second"] > 0
    assert "| 32 |" in said
    assert not page.exists()
