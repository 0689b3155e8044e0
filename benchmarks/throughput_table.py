"""The part of docs/benchmarks.md that `throughput.py` makes."""

import argparse
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "scipy", "torch", "river", "scikit-learn", "vowpalwabbit")


def told(given: argparse.Namespace) -> dict[str, Any]:
    """What a report says of the machine and of how it was made."""
    cpu = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "rounds": given.rounds,
        "products": given.products,
        "batch": given.batch,
    }


def rows(machine: dict[str, Any], reports: Sequence[dict[str, Any]]) -> str:
    """Products a second, ours by stage and the peers' beside it."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    lines = [
        f"Machine: {machine['cpu']}, {machine['cores']} cores; {versions}.",
        f"Medians of {machine['rounds']} rounds, {machine['products']:,} products each, {machine['batch']:,} a batch.",
        "",
        "| one core, 60 outputs | " + " | ".join(f"{report['bytes']:.0f} B" for report in reports) + " |",
        "| --- |" + " ---: |" * len(reports),
        line("**askance, the whole step**", [f"**{report['products_per_second']:,}**" for report in reports]),
    ]
    judged = [f"{report['judged_per_second']:,}" for report in reports]
    lines.append(line("askance, featurise, classify and decide alone", judged))
    for name in reports[0]["peers"]:
        found = [report["peers"][name] for report in reports]
        cells = [f"{each['products_per_second']:,} ({each['times']:.2f}, {each['judged_times']:.2f})" for each in found]
        lines.append(line(name, cells))
    lines += ["", "| our step, µs a product | " + " | ".join(f"{report['bytes']:.0f} B" for report in reports) + " |"]
    lines.append("| --- |" + " ---: |" * len(reports))
    for stage in reports[0]["microseconds"]:
        lines.append(line(stage, [f"{report['microseconds'][stage]:.1f}" for report in reports]))
    lines.append(line("all", [f"{sum(report['microseconds'].values()):.1f}" for report in reports]))
    return "\n".join(lines)


def line(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"
