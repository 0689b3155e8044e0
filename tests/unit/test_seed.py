"""The secret key of the draws is made once and whole."""

import pytest

from service.secret import key_of
from service.settings import Misconfigured, read_settings


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.delenv("ASKANCE_ASKING__SEED", raising=False)
    return read_settings(None, {"data_dir": tmp_path / "data"})


def test_the_key_is_kept_beside_the_ledger_for_its_owner_alone(settings):
    made = key_of(settings, make=True)

    path = settings.data_dir / "seed"
    assert (key_of(settings, make=True), key_of(settings, make=False)) == (made, made)
    assert (path.stat().st_mode & 0o777, [p.name for p in settings.data_dir.iterdir()]) == (0o600, ["seed"])


def test_a_given_seed_needs_no_file(settings, tmp_path):
    given = read_settings(None, {"data_dir": tmp_path / "other", "asking.seed": "s"})

    assert key_of(given, make=True) == key_of(given, make=False) != key_of(settings, make=True)
    assert not (tmp_path / "other").exists()


def test_without_a_key_nothing_can_be_checked(settings):
    with pytest.raises(Misconfigured, match=r"asking\.seed: not given"):
        key_of(settings, make=False)


@pytest.mark.parametrize("content", ["", "\n", "  "])
def test_an_empty_key_is_refused_since_anybody_could_guess_it(settings, content):
    settings.data_dir.mkdir()
    (settings.data_dir / "seed").write_text(content)

    with pytest.raises(Misconfigured, match=r"asking\.seed: .*seed is empty"):
        key_of(settings, make=True)


def test_a_death_while_it_was_made_leaves_nothing_that_counts(settings):
    settings.data_dir.mkdir()
    (settings.data_dir / "seed.partial").write_text("half")

    assert key_of(settings, make=True) == key_of(settings, make=False)
    assert [path.name for path in settings.data_dir.iterdir()] == ["seed"]
