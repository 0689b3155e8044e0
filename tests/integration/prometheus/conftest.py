"""The real Prometheus and its promtool."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from shared.monitoring import VERSION, build


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The folder that holds prometheus and promtool."""
    cache = Path(os.environ.get("ASKANCE_CACHE") or Path.home() / ".cache" / "askance")
    folder = cache / f"prometheus-{VERSION}"
    if not (folder / "promtool").exists():
        if not shutil.which("go"):
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
                "no Prometheus: Go is missing to build it with"
            )
        made = tmp_path_factory.mktemp("prometheus") / "made"
        try:
            build(made)
        except subprocess.SubprocessError as error:
            why = f"no Prometheus: {error}: {(getattr(error, 'stderr', '') or '')[-300:]}"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
        shutil.copytree(made, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def promtool(programs):
    def run(*arguments, **options):
        return subprocess.run(
            [programs / "promtool", *arguments], capture_output=True, text=True, timeout=60, check=False, **options
        )

    return run
