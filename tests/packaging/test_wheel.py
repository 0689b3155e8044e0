import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("service", "models", "consumers", "producers")
SETUPTOOLS = 77  # the oldest that the build takes

pytestmark = pytest.mark.timeout(600)


def isolation():
    """No fetching where a fit setuptools is already here."""
    try:
        fit = int(version("setuptools").split(".")[0]) >= SETUPTOOLS
    except PackageNotFoundError:
        fit = False
    return ["--no-build-isolation"] if fit else []


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the tree to build from: building leaves things behind."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            *isolation(),
            "--wheel-dir",
            str(folder),
            str(source),
        ],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_has_every_file_of_the_four_packages_and_no_other(wheel):
    expected = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert names == expected


def test_the_wheel_is_for_every_platform_and_carries_its_licence(wheel, installed):
    assert wheel.name.endswith("-py3-none-any.whl")
    assert list(installed.glob("*.dist-info/licenses/LICENSE"))


def test_the_wheel_has_the_console_script(installed):
    (file,) = installed.glob("*.dist-info/entry_points.txt")
    parser = configparser.ConfigParser()
    parser.read(file)

    assert dict(parser["console_scripts"]) == {"askance": "service.cli:main"}


def test_the_wheel_is_not_to_be_uploaded_anywhere(installed):
    (file,) = installed.glob("*.dist-info/METADATA")

    assert "Classifier: Private :: Do Not Upload" in file.read_text()


@pytest.mark.slow
def test_every_module_is_imported_from_the_wheel_alone(installed, tmp_path):
    modules = sorted(
        ".".join(file.relative_to(installed).with_suffix("").parts).removesuffix(".__init__")
        for package in PACKAGES
        for file in (installed / package).rglob("*.py")
        if file.name != "__main__.py"
    )
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[2:]:\n"
        "    file = importlib.import_module(name).__file__\n"
        "    assert file.startswith(sys.argv[1]), file\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(installed), *modules],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
