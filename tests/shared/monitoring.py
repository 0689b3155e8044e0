"""Prometheus's programs, our rules and our dashboard: for the tests of monitoring."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import yaml

VERSION = "v0.315.0"  # of the Go module: release 3.15


MODULE = "github.com/prometheus/prometheus"


MONITORING = Path(__file__).parents[2] / "monitoring"


OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


BUILD_LIMIT = 1_500  # seconds; three minutes of one core where the modules are there


def build(folder):
    """Build both programs in a module of their own: the releases cannot be had by `go install`."""
    work = folder / "build"
    work.mkdir(parents=True)
    commands = [f"{MODULE}/cmd/prometheus", f"{MODULE}/cmd/promtool"]
    go = [shutil.which("go")]
    for arguments in (
        ["mod", "init", "prometheus.test"],
        ["get", *(f"{command}@{VERSION}" for command in commands)],
        ["build", "-p", "1", "-tags", "remove_all_sd", "-ldflags", "-s -w", "-o", f"{folder}/", *commands],
    ):
        subprocess.run(
            go + arguments,
            cwd=work,
            check=True,
            timeout=BUILD_LIMIT,
            capture_output=True,
            text=True,
            preexec_fn=lambda: os.nice(10),
        )
    shutil.rmtree(work)


def rules():
    return [
        rule for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
    ]


def panels():
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def dashboard():
    return json.loads((MONITORING / "grafana" / "dashboard.json").read_text())


def queries():
    return [target["expr"] for panel in panels() for target in panel["targets"]]
