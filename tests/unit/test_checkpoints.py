"""A restart is bit-identical to never having stopped, whatever became of the checkpoints."""

import os
import subprocess
import sys

import pytest
import torch

from models.learner import Learner
from service.checkpoints import fingerprint, restore, tidy, write
from service.ledger_file import LedgerUnusable

NAME = "settings"


def make_like(learner):
    return lambda outputs: Learner(outputs, learner.settings, seed=0)


def teach(desk, first, last):
    for n in range(first, last):
        desk.tell(desk.query(f"q{n}"), desk.label(f"q{n}", answers={"red": n % 2 == 0, "shoe": True}))


def keep(desk):
    checkpoint = write(desk.folder / "checkpoints", desk.learner)
    with desk.ledger.transaction():
        desk.ledger.add_checkpoint(checkpoint, NAME, 1.0)
    return desk.folder / "checkpoints" / checkpoint.file


def restored(desk):
    return restore(desk.folder / "checkpoints", desk.ledger, NAME, make=make_like(desk.learner))


def test_a_restart_is_bit_identical(desk):
    teach(desk, 0, 5)
    keep(desk)
    teach(desk, 5, 9)

    again = restored(desk)

    assert (again.checkpoint, again.batches) == (5, 4)
    assert again.learner.digest() == desk.learner.digest()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "empty"])
def test_a_bad_checkpoint_is_passed_over_for_an_older_one(desk, damage):
    teach(desk, 0, 3)
    keep(desk)
    teach(desk, 3, 6)
    newest = keep(desk)
    data = newest.read_bytes()
    if damage == "missing":
        newest.unlink()
    else:
        flipped = data[:-1] + bytes([data[-1] ^ 1])
        newest.write_bytes({"truncated": data[: len(data) // 2], "flipped": flipped, "empty": b""}[damage])

    again = restored(desk)

    assert (again.checkpoint, again.learner.digest()) == (3, desk.learner.digest())


def test_without_any_checkpoint_the_ledger_is_enough(desk):
    teach(desk, 0, 6)

    again = restored(desk)

    assert (again.checkpoint, again.learner.digest()) == (None, desk.learner.digest())


def test_a_checkpoint_of_other_settings_is_not_used(desk):
    teach(desk, 0, 2)
    keep(desk)

    again = restore(desk.folder / "checkpoints", desk.ledger, "others", make=make_like(desk.learner))

    assert again.checkpoint is None


def test_settings_and_seed_have_their_own_names(desk):
    settings = desk.learner.settings
    assert fingerprint(settings, 0) == fingerprint(settings, 0) != fingerprint(settings, 1)
    assert len({fingerprint(settings, 0, since) for since in range(3)}) == 3


def test_an_empty_ledger_has_nothing_to_restore(tmp_path, desk):
    from service.ledger import Ledger

    empty = Ledger(tmp_path / "empty")
    with pytest.raises(LedgerUnusable, match="nothing has run"):
        restore(tmp_path, empty, NAME, make=make_like(desk.learner))
    empty.close()


def test_only_the_newest_are_kept_and_leftovers_removed(desk):
    paths = []
    for n in range(4):
        teach(desk, n, n + 1)
        paths.append(keep(desk))
    (desk.folder / "checkpoints" / "model-x.partial").write_bytes(b"half")

    tidy(desk.folder / "checkpoints", desk.ledger, 2)

    assert sorted(path.name for path in (desk.folder / "checkpoints").iterdir()) == sorted(
        path.name for path in paths[-2:]
    )


def test_a_new_output_keeps_what_the_others_learnt(desk):
    teach(desk, 0, 8)
    before = desk.learner.snapshot()
    with desk.ledger.transaction():
        desk.ledger.batches.add_outputs((*desk.learner.outputs, "blue"), 1.0)

    again = restored(desk).learner

    from models.features import featurise
    from models.messages import Product

    features = featurise([Product(id="1", title="red shoe q3")], bits=before.bits)
    old, new = before.members(features), again.snapshot().members(features)
    assert again.outputs == ("red", "shoe", "rare", "blue")
    torch.testing.assert_close(torch.tensor(new[:, :3]), torch.tensor(old), atol=1e-5, rtol=0)


FULL = """
import resource, sys
sys.path[:0] = {path!r}
from pathlib import Path
from models.learner import Learner
from models.lessons import LearnerSettings
from service.checkpoints import write
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))
try:
    write(Path({folder!r}), Learner(("a", "b"), LearnerSettings(bits=12), seed=0))
except OSError as error:
    print("said:", type(error).__name__)
print("left:", list(Path({folder!r}).iterdir()))
"""


@pytest.mark.slow
def test_no_room_leaves_no_half_checkpoint(tmp_path):
    script = FULL.format(path=sys.path, folder=str(tmp_path / "checkpoints"))

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ)
    )

    assert "said: OSError" in done.stdout, done.stderr
    assert "left: []" in done.stdout


STRANGER = """
import sys
from safetensors.torch import load_file
sys.path = [entry for entry in sys.path if not entry.endswith("main")]
state = load_file(sys.argv[1])
print(sorted(state)[:3], all(type(value).__module__ == "torch" for value in state.values()))
assert "models" not in sys.modules
"""


@pytest.mark.slow
def test_a_checkpoint_needs_none_of_our_classes(desk, tmp_path):
    teach(desk, 0, 2)
    path = keep(desk)

    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(path)], capture_output=True, text=True, timeout=120, check=False,
        cwd=tmp_path,
    )  # fmt: skip

    assert done.stdout.strip().endswith("True"), done.stderr
