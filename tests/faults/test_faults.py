"""Faults, played by script against real processes and a real broker: nothing lost, nothing twice, one model."""

import os
import uuid

import pytest

from faults.playing import play
from faults.script import read_scripts

SEED = int(os.environ.get("FAULTS_SEED", "0"))
SHORT = [script for script in read_scripts(SEED).values() if script.short]

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("one_thread", "tidy"),
    pytest.mark.filterwarnings("ignore:unclosed .*socket:ResourceWarning"),
]


@pytest.mark.parametrize("script", SHORT, ids=lambda script: script.name)
def test_after_a_script_of_faults_all_is_there_once(script, request, tmp_path):
    broker = request.getfixturevalue("frail_broker" if script.own_broker else "shared_broker")
    print(f"seed {SEED}: {script.says}")  # noqa: T201 - shown when it fails

    played = play(script, tmp_path / "stage", broker, prefix=f"f{uuid.uuid4().hex[:12]}.", seed=SEED)

    assert played.verdict.good, (played.verdict.holds, played.verdict.problems, played.verdict.figures)
