"""What is due now and then: at most that often, and a failure costs nothing but the next attempt."""

import hashlib
import subprocess
import sys

import pytest
import torch
from prometheus_client import CollectorRegistry
from safetensors.torch import load_file, save

from models.learner import Learner
from service.checkpoints import restore
from service.keeping import Every, Keeper, pays
from service.metrics import Metrics


def dues(every, *times):
    return [every.due(now) for now in times]


def test_something_is_due_at_first_and_then_once_in_a_while():
    assert dues(Every(10.0), 1e9, 1e9 + 1, 1e9 + 9.9, 1e9 + 10, 1e9 + 11, 1e9 + 20.5) == [
        True, False, False, True, False, True,
    ]  # fmt: skip


def test_a_pause_is_not_made_up_for():
    assert dues(Every(10.0), 1e9, 1e9 + 100, 1e9 + 101) == [True, True, False]


def test_a_clock_set_back_makes_it_due_at_once_and_only_once():
    assert dues(Every(10.0), 1e9, 1e9 - 3600, 1e9 - 3599, 1e9 - 3590) == [True, True, False, True]


def test_a_clock_set_far_ahead_and_back_does_not_stop_it():
    assert dues(Every(10.0), 1e9, 4e9, 1e9 + 1, 1e9 + 2) == [True, True, True, False]


@pytest.mark.parametrize(
    ("behind", "cost", "expected"),
    [
        (0.0, 0.0, False), (1.9, 0.01, False), (2.0, 0.0, True), (2.0, 0.2, True),
        (2.0, 0.4, False), (3.9, 0.4, False), (4.1, 0.4, True), (29.0, 3.0, False), (31.0, 3.0, True),
    ],
)  # fmt: skip
def test_a_checkpoint_pays_after_two_seconds_of_learning_or_ten_times_its_cost(behind, cost, expected):
    assert pays(behind, cost) is expected


@pytest.fixture
def metrics():
    registry = CollectorRegistry()
    return Metrics(registry, ("red", "shoe", "rare"), version="0"), registry.get_sample_value


@pytest.fixture
def keeper(desk):
    return Keeper(directory=desk.folder / "checkpoints", settings="s", kept=2, every=Every(1.0), batch=None)


def teach(desk, *names):
    for name in names:
        desk.tell(desk.query(name), desk.label(name, answers={"red": True}))


def files(keeper):
    return sorted(path.name for path in keeper.directory.iterdir())


def test_a_kept_model_is_on_disk_and_in_the_ledger(desk, keeper, metrics):
    teach(desk, "q1", "q2")

    keeper.keep(desk.learner, desk.ledger, metrics[0])

    (checkpoint,) = desk.ledger.checkpoints("s")
    assert (checkpoint.batch, keeper.batch, files(keeper)) == (2, 2, [checkpoint.file])
    assert metrics[1]("askance_checkpoint_batch") == 2


def test_what_is_kept_already_is_not_written_again(desk, keeper, metrics):
    teach(desk, "q1")
    for _ in range(3):
        keeper.keep(desk.learner, desk.ledger, metrics[0])

    assert metrics[1]("askance_checkpoint_duration_seconds_count") == 1


def test_one_is_due_before_its_time_once_a_restart_would_learn_for_long_again(keeper):
    keeper.every = Every(60.0)
    dues = [keeper.due(1e9), keeper.due(1e9 + 1)]
    keeper.behind = 2.0

    assert [*dues, keeper.due(1e9 + 2)] == [True, False, True]


def test_what_is_kept_need_not_be_learnt_again(desk, keeper, metrics):
    teach(desk, "q1")
    keeper.behind = 1e6

    keeper.keep(desk.learner, desk.ledger, metrics[0])

    assert keeper.behind == 0.0
    assert keeper.cost > 0.0


def test_a_failure_is_not_tried_again_before_as_much_was_learnt(desk, keeper, metrics):
    keeper.directory.write_bytes(b"in the way")
    teach(desk, "q1")
    keeper.behind = 1e6

    keeper.keep(desk.learner, desk.ledger, metrics[0])

    assert keeper.behind == 0.0


def test_only_the_newest_stay(desk, keeper, metrics):
    for name in ("q1", "q2", "q3", "q4"):
        teach(desk, name)
        keeper.keep(desk.learner, desk.ledger, metrics[0])

    assert [one.batch for one in desk.ledger.checkpoints("s")] == [4, 3]
    assert files(keeper) == sorted(one.file for one in desk.ledger.checkpoints("s"))


def test_what_a_death_left_behind_is_removed(desk, keeper, metrics):
    keeper.directory.mkdir()
    (keeper.directory / "model-000000000001-0123456789ab.safetensors").write_bytes(b"whole, but the ledger never knew")
    (keeper.directory / "model-000000000002-0123456789ab.partial").write_bytes(b"half")
    (keeper.directory / "notes.txt").write_bytes(b"not ours")
    teach(desk, "q1")

    keeper.keep(desk.learner, desk.ledger, metrics[0])

    assert files(keeper) == [desk.ledger.checkpoints("s")[0].file, "notes.txt"]


def test_a_checkpoint_that_cannot_be_written_is_counted_and_tried_again(desk, keeper, metrics):
    keeper.directory.write_bytes(b"in the way")
    teach(desk, "q1")
    keeper.keep(desk.learner, desk.ledger, metrics[0])
    failed = (metrics[1]("askance_checkpoint_failures_total"), keeper.batch, desk.ledger.checkpoints("s"))

    keeper.directory.unlink()
    keeper.keep(desk.learner, desk.ledger, metrics[0])

    assert failed == (1, None, [])
    assert keeper.batch == 1


@pytest.mark.parametrize("damage", ["a tensor gone", "another shape", "other names"])
def test_a_checkpoint_of_another_program_is_passed_over(desk, keeper, metrics, damage):
    teach(desk, "q1")
    keeper.keep(desk.learner, desk.ledger, metrics[0])
    (known,) = desk.ledger.checkpoints("s")
    state = load_file(keeper.directory / known.file)
    name = "outputs" if damage == "other names" else "version"
    state[name] = torch.zeros((2, 0), dtype=torch.uint8)
    if damage == "a tensor gone":
        del state[name]
    data = save(state)
    (keeper.directory / known.file).write_bytes(data)
    with desk.ledger.transaction():
        desk.ledger.add_checkpoint(known._replace(digest=hashlib.sha256(data).hexdigest()), "s", 1.0)

    again = restore(
        keeper.directory, desk.ledger, "s", make=lambda outputs: Learner(outputs, desk.learner.settings, seed=0)
    )

    assert (again.checkpoint, again.learner.digest()) == (None, desk.learner.digest())


FULL = """
import resource, sys
sys.path[:0] = {path!r}
from pathlib import Path
from prometheus_client import CollectorRegistry
from models.learner import Learner
from models.lessons import LearnerSettings
from service.keeping import Every, Keeper
from service.ledger import Ledger
from service.metrics import Metrics
folder = Path({folder!r})
ledger = Ledger(folder)
with ledger.transaction():
    ledger.batches.add_outputs(("a", "b"), 1.0)
registry = CollectorRegistry()
metrics = Metrics(registry, ("a", "b"), version="0")
keeper = Keeper(directory=folder / "checkpoints", settings="s", kept=2, every=Every(1.0), batch=None)
learner = Learner(("a", "b"), LearnerSettings(bits=12), seed=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))
keeper.keep(learner, ledger, metrics)
print("left:", list((folder / "checkpoints").iterdir()), ledger.checkpoints("s"))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
keeper.keep(learner, ledger, metrics)
print("failures:", registry.get_sample_value("askance_checkpoint_failures_total"), "kept:", keeper.batch)
"""


@pytest.mark.slow
def test_a_full_disk_is_waited_out(tmp_path):
    script = FULL.format(path=sys.path, folder=str(tmp_path / "data"))

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)

    assert "left: [] []" in done.stdout, done.stderr
    assert "failures: 1.0 kept: 0" in done.stdout
