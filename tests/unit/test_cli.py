"""The command line as a person meets it: what it prints, how it ends, what it leaves behind."""

import gc
import json
import re
from pathlib import Path

import pytest
import typer

import service.cli_candidate
import service.cli_encoder
import service.cli_proof
import service.cli_report
import service.cli_trials  # noqa: F401 - each adds its commands
from service.catalogue import write_feed
from service.cli import app, settled
from shared.commands import script

GROUP = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    for name in ("ASKANCE_CONFIG", "ASKANCE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example_of_itself(askance, command):
    status, text = askance(command, "--help")

    assert status == 0
    assert re.search(rf"Examples?:\s+(\S+=\S+ )?askance {command}", text), text


def test_what_is_loaded_when_serving_begins_is_not_looked_through_for_garbage_again():
    settled()
    kept = gc.get_freeze_count()
    gc.unfreeze()

    assert kept > 10_000


@pytest.mark.slow
def test_the_script_lists_every_command():
    status, text = script("--help")

    assert status == 0
    assert set(COMMANDS) <= set(text.split())


def test_without_a_command_the_help_is_shown_as_misuse(askance):
    status, text = askance()

    assert (status, "Usage: " in text) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "No such command"),
        (["config", "--nonsense"], "No such option"),
        (["replay", "nowhere.jsonl"], "does not exist"),
        (["annotate"], "Missing option"),
        (["config", "--config", "nowhere.toml"], "nowhere.toml: no such file"),
        (["config", "--set", "asking.shares=1"], "asking.shares: no such setting"),
        (["config", "--set", "asking.share"], "KEY=VALUE is expected"),
        (["config", "--set", "asking.share=2"], "asking.share = 2"),
        (["audit"], "asking.seed: not given"),
        (["demo", "--products", "1000", "--keep", "."], "exists already"),
    ],
)
def test_misuse_ends_with_2_and_says_what(askance, words, said):
    status, text = askance(*words)

    assert (status, said in " ".join(text.split())) == (2, True), text


@pytest.fixture
def feed(tmp_path):
    path = tmp_path / "shop.jsonl.gz"
    return path, write_feed(path, 50, seed=1)


def test_two_budgets_for_a_simulation_are_misuse(askance, feed):
    words = ["simulate", feed[0], "--outputs", feed[1], "--report", "out.json", "--rate", 0.1, "--labels", 5]

    status, text = askance(*words)

    assert (status, "--rate and --labels" in text) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "asking.output_shares.nothing=0.05"], "no output 'nothing'"),
        (["--set", "asking.output_shares.nothing=0.05", "--labels", 5], "asking.output_shares and --labels"),
        (["--set", "asking.output_shares.nothing=0.05", "--rate", 0.5], "0.05 for nothing is below p_min 0.1"),
    ],
)
def test_a_share_that_cannot_be_simulated_is_misuse(askance, feed, words, said):
    start = ["simulate", feed[0], "--outputs", feed[1], "--report", "out.json", "--set", "asking.unit=output"]

    status, text = askance(*start, *words)

    assert (status, said in " ".join(text.split())) == (2, True), text


def test_late_and_wrong_answers_are_simulated_as_told(askance, tmp_path):
    shop = tmp_path / "shop.jsonl.gz"
    outputs = write_feed(shop, 200, seed=1)
    quick = [word for name in ("bits=12", "width=8", "hidden=8", "members=2") for word in ("--set", f"model.{name}")]
    words = ["simulate", shop, "--outputs", outputs, "--rate", 0.9, *quick]
    reports = {}
    for name, more in {"plain": (), "late": ("--delay", 130), "wrong": ("--noise", 0.5)}.items():
        path = tmp_path / f"{name}.json"
        assert askance(*words, "--report", path, *more)[0] == 0
        reports[name] = json.loads(path.read_text())

    assert [(report["delay"], report["noise"]) for report in reports.values()] == [(0, 0.0), (130, 0.0), (0, 0.5)]
    ends = {name: report["points"][-1]["macro_ap"] for name, report in reports.items()}
    assert 0.0 < ends["wrong"] < ends["plain"]
    assert 0.0 < ends["late"] < ends["plain"]


def test_a_report_that_could_not_be_written_is_said_before_the_work(askance, feed):
    status, text = askance("simulate", feed[0], "--outputs", feed[1], "--report", "no/where/out.json")

    assert (status, "there is no folder no/where" in text) == (2, True)


@pytest.mark.parametrize("command", ["ledger", "quality"])
def test_a_missing_ledger_is_a_failure_that_says_where_it_looked(askance, feed, command):
    words = {"ledger": [], "quality": ["--truth", feed[0]]}[command]

    status, text = askance(command, *words, "--data-dir", "nowhere")

    assert (status, "no ledger at nowhere/ledger.sqlite" in text, Path("nowhere").exists()) == (1, True, False)


def test_a_bad_feed_is_a_failure_that_names_the_line(askance):
    Path("bad.jsonl").write_text('{"id": "1", "title": "a", "labels": []}\n[/b] {\n')

    status, text = askance("annotate", "--truth", "bad.jsonl", "--until-idle", 0.1)

    assert (status, "bad.jsonl, line 2" in text) == (1, True)


def test_bad_lines_of_a_replay_are_skipped_and_named(askance):
    Path("bad.jsonl").write_text('{"id": "1", "title": "a"}\n{"id": "[/b]"}\n')

    status, text = askance("replay", "bad.jsonl", "--data-dir", "data")

    assert (status, "bad.jsonl, line 2" in text, "1 products sent, 1 lines skipped" in text) == (0, True, True)


@pytest.mark.parametrize("name", ["2024-01-01", "[red]", "true"])
def test_a_data_directory_may_have_any_name(askance, name):
    assert askance("ledger", "--data-dir", name)[1].endswith(
        f"no ledger at {name}/ledger.sqlite: nothing was learnt there; is --data-dir right?\n"
    )


def test_config_prints_the_effective_settings_with_secrets_hidden(askance):
    Path("askance.toml").write_text(
        '[asking]\nseed = "s3cret"\n[kafka]\nsecurity = {sasl_plain_password = "s3cret", sasl_mechanism = "PLAIN"}\n'
    )

    status, text = askance("config", "--config", "askance.toml", "--set", "asking.share=0.25")

    settings = json.loads(text)
    assert (status, settings["asking"]["share"], "s3cret" in text) == (0, 0.25, False)
    assert settings["kafka"]["security"]["sasl_mechanism"] == "PLAIN"


def test_generate_writes_a_feed_and_its_outputs(askance):
    status, text = askance("generate", "new.jsonl.gz", "--products", 20)

    assert (status, Path("new.jsonl.gz").exists(), Path("new.outputs.json").exists()) == (0, True, True), text


def test_a_file_that_cannot_be_written_is_a_failure_in_words(askance):
    status, text = askance("generate", "no/where/new.jsonl.gz")

    assert (status, "no/where/new.jsonl.gz" in text, "Traceback" in text) == (1, True, False)


@pytest.mark.slow
def test_no_outputs_are_misuse_that_names_the_setting(tmp_path):
    status, text = script("run", "--data-dir", tmp_path / "data")

    assert (status, "outputs: none are named" in text, (tmp_path / "data").exists()) == (2, True, False)
