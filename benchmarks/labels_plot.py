"""One drawing per feed: macro-AP over labels."""

from itertools import cycle
from pathlib import Path
from typing import Final

import matplotlib as mpl
from labels_count import CEILING, DEFAULT, ENCODED, NAMELESS, NAMES, PLAIN, POLICIES, SHOWN, Feed, Name, Report, mean

mpl.use("svg")
from matplotlib import pyplot as plt

DASHES: Final = ("--", "-.", ":")  # of the policies beside the default and uniform chance
LINES: Final[dict[Name, tuple[str, str, float]]] = {  # colour, dashes, width
    **{("askance", policy): ("#86bbf0", dashes, 1.0) for policy, dashes in zip(POLICIES, cycle(DASHES), strict=False)},
    PLAIN: ("#3d8fe0", "-", 1.6),
    DEFAULT: ("#0b5cad", "-", 2.6),
    ENCODED: ("#14304f", "-", 2.0),
    NAMELESS: ("#0b5cad", "--", 1.6),
    ("askance", "all"): ("#0b5cad", ":", 1.6),
    ("sklearn", "passive"): ("#c0392b", "-", 1.6),
    ("sklearn", "least_positive"): ("#e08e0b", "-", 1.6),
    ("skactiveml", "variable"): ("#2e8b57", "-", 1.6),
    ("skactiveml", "passive"): ("#2e8b57", "--", 1.2),
    ("river", "passive"): ("#8e5ba6", "-", 1.2),
    ("vw", "passive"): ("#7f8c8d", "-", 1.2),
    CEILING: ("#c0392b", ":", 1.6),
}


def plot(feed: Feed, path: Path) -> None:
    """Draw a feed: means over seeds, their range shaded; the same reports give the same file."""
    mpl.rcParams.update({"svg.hashsalt": feed.name, "font.size": 9})
    figure, axes = plt.subplots(figsize=(8, 4.6))
    for name, reports in feed.reports.items():
        colour, dashes, width = LINES[name]
        labels, low, middle, high = curve(reports)
        axes.plot(labels, middle, dashes, color=colour, linewidth=width, marker="o", markersize=2.5, label=NAMES[name])
        axes.fill_between(labels, low, high, color=colour, alpha=0.12, linewidth=0)
    for level, text in ((1.0, "ceiling"), (0.9, "90 %")):
        axes.axhline(level * feed.ceiling, color="#57606a", linewidth=0.8, linestyle="--")
        axes.annotate(text, (100, level * feed.ceiling), xytext=(2, 2), textcoords="offset points", color="#57606a")
    axes.set_xscale("log")
    axes.set_xticks(SHOWN, [f"{labels:,}" for labels in SHOWN])
    axes.minorticks_off()
    axes.set(xlabel="labels (products asked about)", ylabel="macro-AP on held-out products", title=feed.name)
    axes.grid(color="#d8dee4", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def curve(reports: list[Report]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Labels, and least, mean and greatest macro-AP over seeds, at the points all seeds have and at the end."""
    columns = []
    for labels in SHOWN:
        found = [point["macro_ap"] for report in reports for point in report["points"] if point["labels"] == labels]
        if len(found) == len(reports):
            columns.append((float(labels), min(found), mean(found), max(found)))
    last = [report["points"][-1] for report in reports]
    found = [point["macro_ap"] for point in last]
    columns.append((mean([point["labels"] for point in last]), min(found), mean(found), max(found)))
    labels, low, middle, high = zip(*columns, strict=True)
    return list(labels), list(low), list(middle), list(high)
