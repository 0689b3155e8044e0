"""The page of `proof.py`: tables between marks, one for each floor and one of policies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def put(page: Path, about: str, lines: str) -> None:
    """Write the part of the page that is about this."""
    begin, end = f"<!-- {about}: begin -->", f"<!-- {about}: end -->"
    before, rest = page.read_text().split(begin)
    page.write_text(f"{before}{begin}\n{lines}\n{end}{rest.split(end)[1]}")


def table(reports: list[dict[str, Any]]) -> str:
    """The lines of the table, a row per feed and class of outputs."""
    columns = (
        "feed", "outputs", "covered", "mean error", "clipped: covered", "mean error", "peeking: covered",
        "half-width P", "R", "F1", "F1 to ±0.05: labels", "uniformly", "times fewer", "by output",
    )  # fmt: skip
    lines = heading(columns)
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


def compared(reports: list[dict[str, Any]]) -> str:
    """The lines of the table of policies, a row per feed and class of outputs."""
    if not reports:
        return ""
    several = ("even parts",) if len(reports[0]["policies"]) > 1 else ()
    names = (*reports[0]["policies"], *several, "best")
    shown = ["uniform", "neyman", *(f"{unit}: {name}" for unit in ("product", "output") for name in names), "drawn"]
    *_, last = reports[0]["policies"]
    columns = (
        "feed", "outputs", "uniform, with scores", "by choice at most", *(f"whole: {name}" for name in names),
        *(f"single: {name}" for name in names), f"drawn: {last}, single", f"4 times: {last}, single", "best",
    )  # fmt: skip
    lines = heading(columns)
    for report in reports:
        for kind, found in report["classes"].items():
            cells = [
                report["feed"],
                f"{found['outputs']} {kind}",
                *(f"{found['times_fewer'][name]:.1f}" for name in shown),
                *(str(found["reached"][f"output: {name}"]) for name in (last, "best")),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def heading(columns: Sequence[str]) -> list[str]:
    return ["| " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * (len(columns) - 2)]
