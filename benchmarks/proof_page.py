"""The page of `proof.py`: a table between two marks for each floor."""

from pathlib import Path
from typing import Any


def write(page: Path, floor: float, reports: list[dict[str, Any]]) -> None:
    """Write the part of the page that is about this floor."""
    begin, end = f"<!-- floor {floor:g}: begin -->", f"<!-- floor {floor:g}: end -->"
    before, rest = page.read_text().split(begin)
    page.write_text(f"{before}{begin}\n{table(reports)}\n{end}{rest.split(end)[1]}")


def table(reports: list[dict[str, Any]]) -> str:
    """The lines of the table, a row per feed and class of outputs."""
    columns = (
        "feed", "outputs", "covered", "mean error", "clipped: covered", "mean error", "peeking: covered",
        "half-width P", "R", "F1", "F1 to ±0.05: labels", "uniformly", "times fewer", "by output",
    )  # fmt: skip
    lines = ["| " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * (len(columns) - 2)]
    for report in reports:
        for kind, found in report["classes"].items():
            half, clipped = found["half_width"], found["clipped"]
            needed = [found["labels_for_5_points"], found["labels_for_5_points_uniform"]]
            cells = [
                report["feed"],
                f"{found['outputs']} {kind}",
                f"{100 * found['covered']:.2f} %",
                f"{found['errors']['root_mean_square']:.2f}",
                f"{100 * clipped['covered']:.1f} %",
                f"{clipped['errors']['root_mean_square']:.1f}",
                f"{100 * found['peeking']['covered']:.1f} %",
                *("" if half[name] is None else f"{half[name]:.2f}" for name in ("precision", "recall", "f1")),
                *("" if labels is None else f"{labels:,.0f}" for labels in needed),
                *(
                    "" if times is None else f"{times:.1f}"
                    for times in (found["times_fewer"], found["by_output"]["times_fewer"])
                ),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
