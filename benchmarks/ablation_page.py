"""The page of `ablation.py`: tables between its two marks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from ablation_switches import BASE, Switch
from labels_count import Reach, Report, labels_to, mean, reach
from labels_page import BEGIN, END, at, between, percent, table

LEVELS: Final = (0.8, 0.9)
OF_DEFAULT: Final = 0.9  # of the macro-AP that the default ends with
SHOWN: Final = (200, 400, 800)
FIGURES: Final = ("macro_ap", "micro_f1")
Kept = Mapping[str, Sequence[Report]]  # by switch, a report per seed


def by_switch(reports: Sequence[Report], feed: str) -> dict[str, list[Report]]:
    """The reports of one feed, seeds in order."""
    found: dict[str, list[Report]] = {}
    for report in sorted(reports, key=lambda report: int(report["seed"])):
        if report["feed"] == feed:
            found.setdefault(report["switch"], []).append(report)
    return found


def paired(kept: Kept, switch: Switch) -> tuple[list[Report], list[Report]]:
    """The reports of a switch and of what it is compared with, of the seeds that both have."""
    own, other = kept.get(switch.name, ()), kept.get(switch.against, ())
    seeds = {report["seed"] for report in own} & {report["seed"] for report in other}
    return [r for r in own if r["seed"] in seeds], [r for r in other if r["seed"] in seeds]


def goal(kept: Kept) -> float:
    """The macro-AP that training time is counted to: 90 % of what the default ends with."""
    return OF_DEFAULT * last(kept[BASE], "macro_ap")


def last(reports: Sequence[Report], figure: str) -> float:
    return mean([report["points"][-1][figure] for report in reports])


def until(report: Report, quality: float, figure: str) -> float | None:
    """What was spent until a quality: `learning` seconds, `updates` or `rehearsals`; None if it was never reached.

    Between points it is spent evenly over labels.
    """
    labels = labels_to(report["points"], quality)
    if labels is None:
        return None
    places = [0.0, *(float(point["labels"]) for point in report["points"])]
    spent = [0.0, *(float(point[figure]) for point in report["points"])]
    after = next(i for i, place in enumerate(places) if place >= labels - 1e-6)
    part = (labels - places[after - 1]) / (places[after] - places[after - 1])
    return spent[after - 1] + part * (spent[after] - spent[after - 1])


def spent(reports: Sequence[Report], quality: float, figure: str) -> Reach:
    """The same over seeds, with what the shortest spent in all."""
    values = tuple(until(report, quality, figure) for report in reports)
    return Reach(values, min((round(report["points"][-1][figure]) for report in reports), default=0))


def brief(found: Reach, digits: int = 0) -> str:
    return f"> {found.ended:,}" if found.mean is None else f"{found.mean:,.{digits}f}"


def summary(switches: Sequence[Switch], feeds: Mapping[str, Kept]) -> Iterator[str]:
    """A row per switch: labels in proportion to those of its baseline, and differences on average over feeds."""
    heading = ["part", "switched", "against", *feeds, "all", "macro-AP", "micro-F1", "learning time"]
    rows = []
    for switch in switches[1:]:
        pairs = {feed: paired(kept, switch) for feed, kept in feeds.items()}
        measured = {feed: pair for feed, pair in pairs.items() if pair[0]}
        if not measured:
            continue
        ratios = {f: [reach(side, goal(feeds[f])) for side in pair] for f, pair in measured.items()}
        times = [[spent(side, goal(feeds[f]), "learning") for side in pair] for f, pair in measured.items()]
        cells = [between(*ratios[feed]) if feed in ratios else "" for feed in feeds]
        rows.append(
            [
                switch.group, switch.name, switch.against, *cells, together(list(ratios.values())),
                *(difference([at_equal_labels(*pair, figure) for pair in measured.values()]) for figure in FIGURES),
                together(times),
            ]
        )  # fmt: skip
    yield from table(heading, rows, words=3)


def at_equal_labels(own: Sequence[Report], other: Sequence[Report], figure: str) -> float | None:
    """The difference of a figure, own less other, at the labels where the first of all these ended; mean over seeds."""
    labels = min(report["points"][-1]["labels"] for report in (*own, *other))
    sides = [[figure_at(report["points"], labels, figure) for report in reports] for reports in (own, other)]
    found = [one - two for one, two in zip(*sides, strict=True) if one is not None and two is not None]
    return mean(found) if len(found) == len(own) else None


def figure_at(points: Sequence[Report], labels: float, figure: str) -> float | None:
    """A figure at some labels, by a straight line over their logarithm; None before the first point."""
    places = [math.log(point["labels"]) for point in points]
    if math.log(labels) < places[0] - 1e-9:
        return None
    return float(np.interp(math.log(labels), places, [point[figure] for point in points]))


def difference(found: Sequence[float | None]) -> str:
    """Mean over feeds; nothing unless every feed has it."""
    known = [one for one in found if one is not None]
    return f"{mean(known):+.3f}" if known and len(known) == len(found) else ""


def together(pairs: Sequence[Sequence[Reach]]) -> str:
    """Geometric mean over feeds of the first in proportion to the second; of those feeds where both were reached."""
    found = [one.mean / other.mean for one, other in pairs if one.mean and other.mean]
    if not found:
        return ""
    missing = f" ({len(found)} of {len(pairs)})" if len(found) < len(pairs) else ""
    return f"{math.exp(mean([math.log(ratio) for ratio in found])):.2f}{missing}"


def of_feed(feed: str, switches: Sequence[Switch], kept: Kept, ceiling: float | None) -> Iterator[str]:
    yield from (f"## {feed}", "")
    known = "not measured" if ceiling is None else f"{ceiling:.3f}"
    end = f"The default ends with {last(kept[BASE], 'macro_ap'):.3f}; 90 % of that is {goal(kept):.3f}."
    yield from (f"Ceiling: macro-AP {known}. {end}", "")
    rows = []
    for switch in switches:
        reports = kept.get(switch.name)
        if reports:
            levels = [reach(reports, level * ceiling) if ceiling else None for level in LEVELS]
            to_goal = [spent(reports, goal(kept), figure) for figure in ("learning", "updates", "rehearsals")]
            digits = (1, 0, 0)
            rows.append(
                [
                    switch.name, str(len(reports)), *("" if level is None else brief(level) for level in levels),
                    *(at(reports, labels) for labels in SHOWN),
                    f"{last(reports, 'labels'):,.0f}", *(f"{last(reports, figure):.3f}" for figure in FIGURES),
                    brief(reach(reports, goal(kept))), *(brief(*found) for found in zip(to_goal, digits, strict=True)),
                ]
            )  # fmt: skip
    heading = ["", "seeds", *(f"labels to {percent(level)} of the ceiling" for level in LEVELS)]
    heading += [*(f"AP at {labels}" for labels in SHOWN), "labels at the end", "AP", "micro-F1"]
    heading += ["labels to 90 % of the default's end", "seconds of learning", "steps of the network", "rehearsals"]
    yield from (*table(heading, rows, words=1), "")


def write(
    page: Path,
    switches: Sequence[Switch],
    reports: Sequence[Report],
    ceilings: Mapping[str, float | None],
    planned: int,
) -> None:
    """Write the part of the page between the two marks; a feed without the default's own run is left out."""
    feeds = {feed: by_switch(reports, feed) for feed in ceilings}
    feeds = {feed: kept for feed, kept in feeds.items() if BASE in kept}
    lines = [*made(reports, planned), "", *summary(switches, feeds), ""]
    for feed, kept in feeds.items():
        lines += of_feed(feed, switches, kept, ceilings[feed])
    before, rest = page.read_text().split(BEGIN)
    page.write_text("\n".join([before + BEGIN, *lines, END + rest.split(END)[1]]))


def made(reports: Sequence[Report], planned: int) -> Iterator[str]:
    machines = {(r["machine"]["cpu"], r["machine"]["cores"], r["machine"]["python"]) for r in reports}
    loads = [report["load"] for report in reports]
    cpus = "; ".join(f"{cpu}, {cores} cores, Python {python}" for cpu, cores, python in sorted(machines))
    codes = ", ".join(sorted({report["code"] for report in reports}))
    limits = ", ".join(f"{limit:,}" for limit in sorted({report["limit"] for report in reports}))
    yield f"From {len(reports)} of {planned} runs over at most {limits} products of a stream: {cpus}. Load average"
    yield f"while they ran: {min(loads, default=0)} to {max(loads, default=0)}. Code: {codes}."
