"""The Helm chart and what is in it once rendered: for its tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

VERSION = "v3.22.0"


CHART = Path(__file__).parents[2] / "helm" / "askance"


WAYS = sorted(path.name for path in (CHART / "ci").glob("*-values.yaml"))


OPERATOR = ("--api-versions", "monitoring.coreos.com/v1")


BUILD_LIMIT = 900  # seconds


def build(folder):
    subprocess.run(
        [shutil.which("go"), "install", "-p", "1", f"helm.sh/helm/v3/cmd/helm@{VERSION}"],
        env=os.environ | {"GOBIN": str(folder)},
        check=True,
        timeout=BUILD_LIMIT,
        capture_output=True,
        text=True,
    )


def program(made):
    """A helm of the pinned major version: on the path, in the cache, or built into it."""
    on_path = shutil.which("helm")
    if (
        on_path
        and "v3." in subprocess.run([on_path, "version"], check=True, capture_output=True, text=True, timeout=30).stdout
    ):
        return Path(on_path)
    cache = Path(os.environ.get("ASKANCE_CACHE") or Path.home() / ".cache" / "askance")
    cached = cache / f"helm-{VERSION}" / "helm"
    if not cached.exists():
        absent = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        if not shutil.which("go"):
            absent("no helm: Go is missing to build it with")
        try:
            build(made)
        except subprocess.SubprocessError as error:
            absent(f"no helm: {error}: {(getattr(error, 'stderr', '') or '')[-300:]}")
        shutil.copytree(made, cached.parent, dirs_exist_ok=True)
    return cached


def way(name):
    return ("--values", str(CHART / "ci" / name), *OPERATOR)


def pod(objects):
    return objects["StatefulSet"]["spec"]["template"]["spec"]


def container(objects):
    (only,) = pod(objects)["containers"]
    return only


def environment(objects):
    return {variable["name"]: variable["value"] for variable in container(objects)["env"] if "value" in variable}


def scorers(objects):
    """The objects as if those that score were the first of their kind."""
    return {
        kind: objects.get(f"{kind}/shop-askance-score", found) for kind, found in objects.items() if "/" not in kind
    }
