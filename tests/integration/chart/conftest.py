"""The real helm, and the chart as it renders."""

import os
import subprocess

import pytest
import yaml

from service.settings import read_settings
from shared.chart import CHART, environment, program


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    """How to call helm with nothing of this machine's own settings."""
    home = tmp_path_factory.mktemp("helm")
    found = program(home / "bin")
    own = {name: str(home / name.lower()) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}

    def run(*arguments):
        return subprocess.run(
            [found, *arguments], env=os.environ | own, capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.fixture(scope="session")
def rendered(helm):
    """The objects that values make, by kind; those that score apart, by kind and name."""

    def render(*arguments):
        result = helm("template", "shop", str(CHART), *arguments)
        assert result.returncode == 0, result.stderr
        objects = {}
        for item in filter(None, yaml.safe_load_all(result.stdout)):
            name = item["metadata"]["name"]
            objects[f"{item['kind']}/{name}" if name.endswith("-score") else item["kind"]] = item
        return objects

    return render


@pytest.fixture
def settings_of(monkeypatch):
    """The settings that the service makes of the chart's variables."""

    def read(objects):
        for name in [name for name in os.environ if name.startswith("ASKANCE_")]:
            monkeypatch.delenv(name)
        for name, value in environment(objects).items():
            monkeypatch.setenv(name, value)
        return read_settings()

    return read
