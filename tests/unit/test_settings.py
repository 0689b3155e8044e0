"""Settings fail at start, by name."""

from pathlib import Path

import pytest

from service.model_settings import BOUNDS, ModelSettings
from service.outputs import outputs_of
from service.settings import Misconfigured, as_plain, read_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch):
    for name in ("ASKANCE_CONFIG", "ASKANCE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def written(tmp_path, text):
    path = tmp_path / "askance.toml"
    path.write_text(text)
    return path


def test_given_values_stand_over_variables_over_the_file(tmp_path, monkeypatch):
    file = written(tmp_path, "[asking]\nshare = 0.2\np_min = 0.03\neta = 0.05")
    monkeypatch.setenv("ASKANCE_ASKING__SHARE", "0.3")
    monkeypatch.setenv("ASKANCE_ASKING__P_MIN", "0.04")

    asking = read_settings(file, {"asking.share": "0.4"}).asking

    assert (asking.share, asking.p_min, asking.eta) == (0.4, 0.04, 0.05)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense = 1", "nonsense: no such setting"),
        ("[asking]\nshares = 0.2", "asking.shares: no such setting"),
        ("[model]\nmembres = 4", "model.membres: no such setting"),
        ("[asking]\nshare = 1.5", "asking.share = 1.5"),
        ("[asking]\nshare = 'much'", "asking.share = 'much'"),
        ("[asking]\nshare = nan", "asking.share"),
        ("[asking]\np_min = 0.5", "p_min 0.5 is above share 0.1"),
        ("[asking]\npolicy = 'guess'", "asking.policy = 'guess'"),
        ("[asking.output_shares]\nshoe = 0.05", "unit = output is needed"),
        ("[asking]\nunit = 'output'\noutput_shares = {shoe = 0.01}", "0.01 for shoe is below p_min 0.02"),
        ("[asking]\nunit = 'output'\noutput_shares = {shoe = 0.0}", "asking.output_shares.shoe = 0.0"),
        ("[asking]\nunit = 'output'\noutput_shares = {shoe = 1.5}", "asking.output_shares.shoe = 1.5"),
        ("outputs = ['a', 'a']", "a name stands there twice"),
        ("[asking]\npolicy = 'iwal-cal'\n[model]\nkind = 'river'", "model.kind = askance is needed"),
        ("[asking]\ndamping = true\n[model]\nkind = 'river'", "damping looks at our own model's counts"),
        ("[http]\nport = 70000", "http.port = 70000"),
        ("[asking", "askance.toml"),
    ],
)
def test_what_is_wrong_is_said_by_name(tmp_path, text, said):
    with pytest.raises(Misconfigured) as error:
        read_settings(written(tmp_path, text))

    assert said in str(error.value)


def test_a_share_of_an_output_that_there_is_not_is_said():
    changes = {"outputs": ("red",), "asking.unit": "output", "asking.output_shares": {"shoe": 0.05}}

    with pytest.raises(Misconfigured, match=r"asking\.output_shares: there is no output 'shoe'"):
        outputs_of(read_settings(None, changes))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(Misconfigured, match=r"nowhere\.toml: no such file"):
        read_settings(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("name", ["ASKANCE_SHARE", "ASKANCE_ASKING__SHARES", "ASKANCE_NONSENSE__X"])
def test_an_unknown_variable_is_refused(monkeypatch, name):
    monkeypatch.setenv(name, "1")

    with pytest.raises(Misconfigured, match="no such setting"):
        read_settings()


def test_numbers_may_be_names(monkeypatch):
    monkeypatch.setenv("ASKANCE_ASKING__SEED", "12345")

    assert read_settings(None, {"kafka.instance": "7"}).asking.seed == "12345"


def test_secrets_are_hidden():
    changes = {"asking.seed": "s3cret", "kafka.security": {"sasl_plain_password": "pw", "security_protocol": "SSL"}}

    plain = as_plain(read_settings(None, changes))

    assert (plain["asking"]["seed"], plain["kafka"]["security"]["sasl_plain_password"]) == ("***", "***")
    assert plain["kafka"]["security"]["security_protocol"] == "SSL"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.bits", 3),
        ("model.bits", 60),
        ("model.members", 0),
        ("model.batch", 0),
        ("model.hidden", -1),
        ("model.cost", float("nan")),
        ("model.cost", -1.0),
        ("model.mix", 1.1),
        ("asking.expires_days", 1e6),  # beyond the times that messages can tell
    ],
)
def test_a_value_that_nothing_can_work_with_is_said_by_name(name, value):
    with pytest.raises(Misconfigured) as error:
        read_settings(None, {name: value})

    assert f"{name} = {value}:" in str(error.value)


def test_bounds_are_of_settings_there_are():
    assert set(BOUNDS) <= set(ModelSettings.__dataclass_fields__)


def test_a_group_cannot_be_a_value_too():
    with pytest.raises(Misconfigured, match="asking"):
        read_settings(None, {"asking": "1", "asking.share": "0.1"})


@pytest.mark.parametrize("name", ["2024", "2024-01-01", "true", "[x]", "'quoted'"])
def test_a_path_is_a_path_whatever_it_looks_like(name):
    assert read_settings(None, {"data_dir": Path(name)}).data_dir == Path(name)
