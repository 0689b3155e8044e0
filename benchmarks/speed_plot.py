"""Draws the tables of docs/benchmarks.md beside it, so that drawings never say anything else than the page.

    python benchmarks/speed_plot.py [throughput] [kafka] [latency] [growth] [--page FILE]

Each is FILE's name with the drawing's, as SVG. The make targets call it after they have written their tables.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from kept import ROOT

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

Row = dict[str, str]
OURS: Final = "#0b5cad"
OTHERS: Final = "#b6c2cf"
SHADES: Final = ("#14304f", "#0b5cad", "#3d8fe0", "#86bbf0", "#e08e0b", "#f3c77b")
GREY: Final = "#57606a"
LEVELS: Final = {"p50": "#86bbf0", "p99": "#0b5cad", "p99.9": "#14304f"}
AIMS: Final = {"prediction": (100.0, "aimed at, at half load: 100 ms"), "label": (2_000.0, "aimed at: 2 s")}


def tables(page: Path, about: str) -> list[list[Row]]:
    """The tables between the marks of a part, a row as cells by heading; none if the part is empty."""
    text = page.read_text().partition(f"<!-- {about}: begin -->")[2].partition(f"<!-- {about}: end -->")[0]
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        heads, _, *rows = [[cell.strip(" *") for cell in line.strip("|\n ").split("|")] for line in block.splitlines()]
        found.append([dict(zip(heads, row, strict=False)) for row in rows])
    return found


def number(cell: str) -> float:
    """What a cell begins with: `1,234 kB` is 1234."""
    return float(cell.replace(",", "").split()[0].rstrip("%"))


def throughput(page: Path) -> Any:
    """Products a second beside the peers, and where our time goes."""
    peers, stages = tables(page, "throughput")
    title, *sizes = peers[0]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), width_ratios=(3, 2), layout="constrained")
    for place, size in enumerate(sizes):
        at = [-n + 0.16 - 0.32 * place for n in range(len(peers))]
        for row, height in zip(peers, at, strict=True):
            colour, value = OURS if row[title].startswith("askance") else GREY, number(row[size])
            axes[0].plot(value, height, "o" if place == 0 else "D", color=colour, markersize=6 - place)
            axes[0].annotate(f"{value:,.0f} ({size})", (value, height), xytext=(8, 0), textcoords="offset points",
                             va="center", fontsize=7, color=colour)  # fmt: skip
    axes[0].set(xscale="log", xlabel="products a second, one core (logarithmic)", title=title)
    axes[0].set_xlim(right=6 * max(number(row[size]) for row in peers for size in sizes))
    axes[0].set_yticks([-n for n in range(len(peers))], [row[title] for row in peers])
    stage, *sizes = stages[0]
    for place, size in enumerate(sizes):
        left = 0.0
        for shade, row in zip(SHADES, stages[:-1], strict=False):
            value = number(row[size])
            axes[1].barh(-place, value, 0.55, left=left, color=shade)
            if place == 0:
                axes[1].annotate(
                    row[stage], (left + value / 2, 0.32), rotation=40, ha="left", va="bottom", color=shade, fontsize=8
                )
            left += value
        axes[1].annotate(f"{left:.0f}", (left, -place), xytext=(4, 0), textcoords="offset points", va="center")
    axes[1].set(xlabel="µs a product", title="where the time of our step goes", ylim=(0.6 - len(sizes), 1.1))
    axes[1].set_yticks([-place for place in range(len(sizes))], sizes)
    axes[1].set_xlim(right=1.15 * max(number(stages[-1][size]) for size in sizes))
    plain(axes[0], "both", commas="x")
    plain(axes[1], "x")
    return figure


def kafka(page: Path) -> Any:
    """Through Kafka beside what transport and model allow."""
    (rows,) = tables(page, "throughput through Kafka")
    shown = {"echo": OTHERS, "model alone": "#86bbf0", "askance": OURS}
    figure, axes = plt.subplots(figsize=(8, 0.75 + 0.8 * len(rows)), layout="constrained")
    for place, row in enumerate(rows):
        for n, (name, colour) in enumerate(shown.items()):
            bars = axes.barh(-place + 0.26 * (1 - n), number(row[name]), 0.24, color=colour)
            said = name if name != "askance" else f"askance, {row['of the lower of both']} of the lower of both"
            axes.bar_label(bars, [f"{number(row[name]):,.0f} {said}"], padding=3, fontsize=8, color=GREY)
    axes.set_yticks([-n for n in range(len(rows))], [f"{row['way']}\n{row['bytes a product']} B" for row in rows])
    axes.set(xlabel="products a second", title="through Kafka, exactly once")
    axes.set_xlim(right=1.35 * max(number(row[name]) for row in rows for name in shown))
    plain(axes, "x", commas="x")
    return figure


def latency(page: Path) -> Any:
    """Quantiles by load, of predictions and of labels."""
    rows = tables(page, "latency")[0]
    loads = [number(row["products a second"]) for row in rows]
    figure, both = plt.subplots(1, 2, figsize=(10, 3.8), sharex=True, layout="constrained")
    for axes, (what, (aim, said)) in zip(both, AIMS.items(), strict=True):
        for level, colour in LEVELS.items():
            values = [number(row[f"{what} {level}"]) for row in rows]
            axes.plot(loads, values, color=colour, linewidth=2.0, marker="o", markersize=4)
            axes.annotate(level, (loads[-1], values[-1]), xytext=(6, 0), textcoords="offset points", color=colour,
                          va="bottom" if level == "p99.9" else "top" if level == "p99" else "center")  # fmt: skip
        axes.axhline(aim, color="#c0392b", linewidth=1.0, linestyle="--")
        axes.annotate(said, (loads[-1], aim), xytext=(0, -4), textcoords="offset points", ha="right", va="top",
                      color="#c0392b")  # fmt: skip
        axes.set(yscale="log", xlabel="products a second", ylabel="milliseconds", title=f"until a {what} counts")
        axes.set_xlim(right=1.12 * loads[-1])
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        plain(axes, "both", commas="both")
    both[0].set_title("from a product to its prediction")
    both[1].set_title("from a label to the first prediction that knows it")
    return figure


def growth(page: Path) -> Any:
    """Costs against what grows, both on logarithmic axes; the slope is the exponent."""
    parts = {
        "outputs": ("outputs", {"µs a product": OURS, "ms an answer": "#e08e0b"}),
        "members": ("members", {"µs a product": OURS, "ms an answer": "#e08e0b"}),
        "history": ("products seen", {"scoring, µs a product": OURS, "ms an answer": "#e08e0b", "resident, MB": GREY}),
        "replicas": ("replicas", {"products a second": OURS, "µs of processor a product": "#e08e0b"}),
    }
    found = {part: one[0] for part in parts if (one := tables(page, f"growth by {part}"))}
    figure, all_axes = plt.subplots(2, (len(found) + 1) // 2, figsize=(10, 7), layout="constrained", squeeze=False)
    for axes in all_axes.flat[len(found) :]:
        axes.remove()
    for axes, (part, rows) in zip(all_axes.flat, found.items(), strict=False):
        about, shown = parts[part]
        fitted = next((row for row in rows if row[about].startswith("exponent")), {})
        measured = [row for row in rows if row is not fitted]
        at = [number(row[about]) for row in measured]
        for place, (name, colour) in enumerate(reversed(shown.items())):
            values = [number(row[name]) for row in measured]
            axes.plot(at, values, color=colour, linewidth=2.0, marker="o", markersize=4)
            slope = f" (exponent {fitted[name]})" if fitted.get(name) else ""
            axes.annotate(name + slope, (0.0, 1.02 + 0.08 * place), xycoords="axes fraction", color=colour)
        axes.set(xscale="log", yscale="log", xlabel=about)
        axes.set_xticks(at, [f"{value / 1e6:g} M" if value >= 1e6 else f"{value:,.0f}" for value in at])
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        plain(axes, "both", commas="y")
    return figure


def plain(axes: Any, grid: str, *, commas: str = "") -> None:
    """A light grid, no frame, and numbers as people write them."""
    axes.grid(axis=grid, color="#d8dee4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for which, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if commas in (which, "both"):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_formatter(NullFormatter())


DRAWINGS: Final[dict[str, Callable[[Path], Any]]] = {
    "throughput": throughput, "kafka": kafka, "latency": latency, "growth": growth
}  # fmt: skip


def draw(page: Path, names: Sequence[str]) -> None:
    """Draw these beside the page; the same tables give the same files."""
    mpl.rcParams.update({"font.size": 9})
    for name in names:
        mpl.rcParams["svg.hashsalt"] = name
        figure = DRAWINGS[name](page)
        figure.savefig(page.with_suffix(f".{name}.svg"), metadata={"Date": None, "Creator": None})
        plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DRAWINGS)}; all if none")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    given = parser.parse_args()
    draw(given.page, given.names or list(DRAWINGS))


if __name__ == "__main__":
    main()
