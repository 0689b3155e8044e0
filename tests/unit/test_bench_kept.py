import json
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def kept(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("kept")


def task(kept, folder, name):
    report = json.dumps({"code": "new", "of": name})
    return kept.Task(folder / f"{name}.json", "new", ("-c", f"print({report!r})"))


def test_what_is_kept_of_the_same_code_is_not_made_again(kept, tmp_path):
    (tmp_path / "same.json").write_text('{"code": "new", "of": "before"}')
    (tmp_path / "other.json").write_text('{"code": "old", "of": "before"}')
    kept.make([task(kept, tmp_path, name) for name in ("same", "other", "missing")], minutes=1, jobs=2)

    made = {path.stem: json.loads(path.read_text())["of"] for path in tmp_path.glob("*.json")}
    assert made == {"same": "before", "other": "other", "missing": "missing"}


def test_after_its_minutes_no_run_begins(kept, tmp_path):
    kept.make([task(kept, tmp_path, "late")], minutes=0, jobs=1)

    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_keeps_nothing_and_the_others_are_made(kept, tmp_path):
    failing = kept.Task(tmp_path / "bad.json", "new", ("-c", "print('half'); raise SystemExit(3)"))
    with pytest.raises(SystemExit, match="1 runs failed: bad"):
        kept.make([failing, task(kept, tmp_path, "good")], minutes=1, jobs=1)

    assert [path.name for path in tmp_path.iterdir()] == ["good.json"]


def test_the_code_of_peers_has_nothing_of_ours_but_the_protocol(kept, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    labels = import_module("labels")
    ours, theirs = (labels.code(labels.Run("toys", system, "x")) for system in ("askance", "sklearn"))

    assert ours == kept.digest(kept.ours())
    assert theirs == kept.digest([*BENCHMARKS.glob("peer*.py"), kept.PROTOCOL])
