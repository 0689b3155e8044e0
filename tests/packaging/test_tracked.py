"""What must not stand in any file of the repository."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REGISTRIES = [
    ("pypi", "org"),
    ("files", "pythonhosted", "org"),
    ("proxy", "golang", "org"),
    ("sum", "golang", "org"),
    ("repo1", "maven", "org"),
    ("repo", "maven", "apache", "org"),
    ("registry", "npmjs", "org"),
    ("download", "pytorch", "org"),
    ("docker", "io"),
    ("ghcr", "io"),
    ("quay", "io"),
]


@pytest.fixture(scope="module")
def texts():
    """Every tracked file as text, by name."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout: nothing says which files are tracked")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, timeout=30).stdout
    files = [ROOT / name for name in listed.decode().split("\0") if name]
    return {str(file.relative_to(ROOT)): file.read_text(errors="replace") for file in files if file.is_file()}


@pytest.mark.parametrize("parts", REGISTRIES, ids="-".join)
def test_no_file_names_the_host_of_a_registry(texts, parts):
    host = re.compile(rf"(?<![\w.-]){re.escape('.'.join(parts))}(?![\w-])")

    assert [name for name, text in texts.items() if host.search(text)] == []


def test_no_file_names_a_place_on_the_machine_it_was_written_on(texts):
    places = [str(ROOT), str(Path.home()) + "/"] + [f"/{place}/" for place in ("root", "Users", "home")]

    assert [(name, place) for name, text in texts.items() for place in places if place in text] == []


def test_no_file_is_larger_than_a_reader_can_bear(texts):
    assert [name for name, text in texts.items() if len(text) > 200_000] == []
