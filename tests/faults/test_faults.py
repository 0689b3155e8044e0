"""Faults, played by script against real processes and a real broker: nothing lost, nothing twice, one model."""

import os
import uuid

import pytest

from faults.playing import play
from faults.script import read_scripts

SEED = int(os.environ.get("FAULTS_SEED", "0"))
SHORT = [script for script in read_scripts(SEED).values() if script.short]
WITH_CONFLUENT = ("zombie",)  # the others too by `make faults ARGS='--client confluent'`
PLAYED = [(script, "kafka-python") for script in SHORT]
PLAYED += [(script, "confluent") for script in SHORT if script.name in WITH_CONFLUENT]

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("one_thread", "tidy"),
]


@pytest.mark.parametrize(("script", "client"), PLAYED, ids=lambda given: getattr(given, "name", given))
def test_after_a_script_of_faults_all_is_there_once(script, client, request, tmp_path):
    broker = request.getfixturevalue("frail_broker" if script.own_broker else "shared_broker")
    print(f"seed {SEED}: {script.says}")  # noqa: T201 - shown when it fails

    prefix, sets = f"f{uuid.uuid4().hex[:12]}.", {"kafka.client": client}

    played = play(script, tmp_path / "stage", broker, prefix=prefix, seed=SEED, sets=sets)

    assert played.verdict.good, (played.verdict.holds, played.verdict.problems, played.verdict.figures)
