"""The reference pages say what the code does: every setting, every command, and examples that work."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

import service.cli_candidate
import service.cli_encoder
import service.cli_proof
import service.cli_report
import service.cli_trials  # noqa: F401 - each adds its commands
from service.cli import app
from service.settings import as_plain, read_settings
from service.settings_table import renewed, unexplained

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
RENEW = "python -m service.settings_table docs/configuration.md docs/commands.md"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch):
    for name in ("ASKANCE_CONFIG", "ASKANCE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def names(settings, prefix=""):
    """Dotted names of all settings; a table is one, whatever it holds."""
    for name, value in settings.items():
        if isinstance(value, dict) and name not in {"security", "output_shares"}:
            yield from names(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("page", ["configuration.md", "commands.md"])
def test_the_tables_are_those_the_code_makes(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")

    assert renewed(text) == text, f"renew it: {RENEW}"


def test_every_setting_is_in_the_tables_with_its_variable():
    described = re.findall(r"^\| `([a-z_.]+)` \| `(ASKANCE_[A-Z_]+)` \|", CONFIGURATION, re.MULTILINE)

    expected = {name: "ASKANCE_" + name.upper().replace(".", "__") for name in names(as_plain(read_settings()))}
    assert dict(described) == expected


def test_every_setting_of_the_model_is_explained():
    assert unexplained() == set()


def test_every_command_and_option_is_mentioned():
    missing = [
        f"{name} {option}"
        for name, command in get_command(app).commands.items()
        for option in ("", *(opt for parameter in command.params for opt in parameter.opts if opt.startswith("-")))
        if option not in COMMANDS.partition(f"### askance {name}\n")[2].partition("\n### ")[0]
        or f"### askance {name}\n" not in COMMANDS
    ]

    assert missing == []


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", CONFIGURATION, re.DOTALL))
def test_an_example_of_a_file_is_accepted(tmp_path, text):
    (tmp_path / "askance.toml").write_text(text)

    settings = as_plain(read_settings(tmp_path / "askance.toml"))

    assert set(names(tomllib.loads(text))) <= set(names(settings))


VARIABLES = [block.split() for block in re.findall(r"(?:^    ASKANCE_\S+=.*\n)+", CONFIGURATION, re.MULTILINE)]


@pytest.mark.parametrize("lines", VARIABLES)
def test_an_example_of_variables_is_accepted(monkeypatch, lines):
    for line in lines:
        monkeypatch.setenv(*line.split("=", 1))

    security = read_settings().kafka.security

    assert {f"ASKANCE_KAFKA__SECURITY__{name.upper()}={value}" for name, value in security.items()} == set(lines)


def test_variables_and_file_are_combined_setting_by_setting(tmp_path, monkeypatch):
    (tmp_path / "askance.toml").write_text("[asking]\npolicy = 'random'\n[kafka.security]\nssl_cafile = 'ca.pem'")
    monkeypatch.setenv("ASKANCE_ASKING__SHARE", "0.5")
    monkeypatch.setenv("ASKANCE_KAFKA__SECURITY__SASL_PLAIN_PASSWORD", "x")
    monkeypatch.setenv("ASKANCE_OUTPUTS", '["red", "shoe"]')

    settings = read_settings(tmp_path / "askance.toml", {"asking.eta": "0.1"})

    assert (settings.asking.policy, settings.asking.share, settings.asking.eta) == ("random", 0.5, 0.1)
    assert settings.kafka.security == {"ssl_cafile": "ca.pem", "sasl_plain_password": "x"}
    assert settings.outputs == ("red", "shoe")


def sets():
    return [pair for line in re.findall(r"`--set ([^`]+)`", CONFIGURATION) for pair in shlex.split(line)]


@pytest.mark.parametrize("pair", sets())
def test_an_example_of_set_is_accepted(pair):
    name, _, value = pair.partition("=")

    assert name in set(names(as_plain(read_settings(None, {name: value}))))


def pages():
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_commands_in_the_documentation_exist_with_their_options(page):
    commands = get_command(app).commands
    options = {name: {opt for one in command.params for opt in one.opts} for name, command in commands.items()}
    unknown = []
    for line in re.findall(r"^    askance (.+)$|`askance ([^`]+)`", page.read_text(encoding="utf-8"), re.MULTILINE):
        name, *words = "".join(line).partition("#")[0].split()
        if name == "COMMAND":
            continue
        used = {word for word in words if word.startswith("--")}
        unknown += [name] if name not in options else sorted(used - options[name] - {"--help"})

    assert unknown == []


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []
