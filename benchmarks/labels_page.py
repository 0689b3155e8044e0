"""The page of `labels.py`: tables between its two marks."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from labels_count import (
    CEILING,
    DEFAULT,
    EVERY,
    HARD,
    LEVELS,
    NAMES,
    PLAIN,
    SHOWN,
    Feed,
    Name,
    Reach,
    Report,
    collect,
    condition,
    mean,
    reach,
)

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
TARGET: Final = 0.5  # of the best peer's labels, at 90 % of the ceiling


def table(heading: Sequence[str], rows: Sequence[Sequence[str]], *, words: int) -> list[str]:
    """Lines of a Markdown table; the first `words` columns are text, the others figures."""
    rule = ["---"] * words + ["---:"] * (len(heading) - words)
    return [f"| {' | '.join(cells)} |" for cells in (heading, rule, *rows)]


def summary(feeds: Sequence[Feed]) -> Iterator[str]:
    rows = []
    for feed in feeds:
        for level in LEVELS:
            peer, ours = feed.best(level, ours=False), feed.best(level, ours=True)
            default = reach(feed.reports[DEFAULT], level * feed.ceiling)
            cells = [feed.name, f"{percent(level)} = {level * feed.ceiling:.3f}"]
            cells += [named(peer), default.text(), ratio(default, peer), named(ours)]
            cells += [ratio(ours[1], peer) if ours else "", verdict(ours, peer) if level == 0.9 else ""]
            rows.append(cells)
    heading = ["feed", "of the ceiling", "best peer: labels", "Askance by default: labels", "ratio"]
    heading += ["best of Askance: labels", "ratio", f"target {TARGET} at 90 %"]
    yield from table(heading, rows, words=2)


def percent(level: float) -> str:
    return f"{level * 100:.0f} %"


def named(best: tuple[Name, Reach] | None) -> str:
    if best is None:
        return "none reaches it"
    return f"{NAMES[best[0]]}{' †' if best[0] in EVERY else ''}: {best[1].text()}"


def ratio(ours: Reach, peer: tuple[Name, Reach] | None) -> str:
    return "" if peer is None else between(ours, peer[1])


def verdict(ours: tuple[Name, Reach] | None, peer: tuple[Name, Reach] | None) -> str:
    if peer is None or peer[1].mean is None:
        return "no peer reaches it"
    if ours is None or ours[1].mean is None:
        return "open: reached by nobody in budget" if peer[0] in EVERY else "missed: not reached"
    off = ours[1].mean / peer[1].mean - TARGET
    return f"met, by {-off:.2f}" if off <= 0 else f"missed, by {off:.2f}"


def losses(feeds: Sequence[Feed]) -> Iterator[str]:
    """Feeds and levels where a peer needs fewer labels than the best of Askance, in words."""
    for feed in feeds:
        worse, unsettled = [], []
        for level in LEVELS:
            peer, ours = feed.best(level, ours=False), feed.best(level, ours=True)
            if ours is not None and peer is not None:
                times = (ours[1].mean or 0.0) / (peer[1].mean or math.inf)
                worse += [f"{percent(level)} ({times:.2f} times the labels; {NAMES[peer[0]]})"] if times > 1 else []
            elif peer is not None and peer[0] not in EVERY:
                worse.append(f"{percent(level)} (not reached; {NAMES[peer[0]]})")
            elif ours is None:
                unsettled.append(percent(level))
        text = "behind at " + ", ".join(worse) if worse else "not behind at any level that was reached"
        unsettled_text = (
            f"; {', '.join(unsettled)} was reached by nobody in every seed within the budget" if unsettled else ""
        )
        yield f"- {feed.name}: {text}{unsettled_text}."


def apart(feeds: Sequence[Feed]) -> Iterator[str]:
    """Ratios of labels with the learner or the asking alone changed, over the seeds both have."""
    pairs = {
        f"learner alone: {NAMES[PLAIN]} / scikit-learn refit, uniform": (PLAIN, ("sklearn", "passive")),
        f"asking alone: {NAMES[DEFAULT]} / random": (DEFAULT, PLAIN),
        "VariableUncertainty / SGD, uniform": (("skactiveml", "variable"), ("skactiveml", "passive")),
        "refit, least positive / uniform": (("sklearn", "least_positive"), ("sklearn", "passive")),
    }
    rows = []
    for feed in feeds:
        for level in LEVELS:
            cells = []
            for pair in pairs.values():
                found = [feed.reports.get(name, []) for name in pair]
                seeds = set.intersection(*({report["seed"] for report in reports} for reports in found))
                same = ([report for report in reports if report["seed"] in seeds] for reports in found)
                first, second = (reach(reports, level * feed.ceiling) for reports in same)
                cells.append(between(first, second))
            if any(cells):
                rows.append([feed.name, percent(level), *cells])
    yield from table(["feed", "of the ceiling", *pairs], rows, words=2)


def between(first: Reach, second: Reach) -> str:
    """The ratio of two; a bound on it where one of them was not reached."""
    if first.mean is not None and second.mean is not None:
        return f"{first.mean / second.mean:.2f}"
    if second.mean is not None and first.ended:
        return f"> {first.ended / second.mean:.2f}"
    if first.mean is not None and second.ended:
        return f"< {first.mean / second.ended:.2f}"
    return ""


def every(feeds: Sequence[Feed]) -> Iterator[str]:
    rows = []
    for feed in feeds:
        if EVERY[0] in feed.reports:
            ours = feed.reports[EVERY[0]]
            end = mean([report["points"][-1]["macro_ap"] for report in ours])
            seconds = [f"{mean([r['seconds'] for r in reports]):,.0f}" for reports in (ours, feed.reports[CEILING])]
            labels = f"{ours[0]['points'][-1]['labels']:,}"
            figures = [labels, f"{feed.ceiling:.3f}", f"{end:.3f}", f"{end - feed.ceiling:+.3f}"]
            rows.append([feed.name, *figures, *seconds])
    if not rows:
        yield "Not among the runs so far."
        return
    heading = ["feed", "labels", "ceiling", "Askance", "difference", "Askance, seconds", "scikit-learn, seconds"]
    yield from table(heading, rows, words=1)


def of_feed(feed: Feed) -> Iterator[str]:
    yield from (f"## {feed.name}", "", f"Ceiling: macro-AP {feed.ceiling:.3f}.", "")
    yield from (f"![macro-AP over labels](benchmarks-labels.{feed.name}.svg)", "")
    rows = []
    for name, reports in feed.reports.items():
        cells = [NAMES[name], str(len(reports))]
        rows.append(cells + [reach(reports, level * feed.ceiling).text() for level in LEVELS])
    yield from table(["system", "seeds", *(f"labels to {percent(level)}" for level in LEVELS)], rows, words=1)
    yield ""
    rows = []
    for name, reports in feed.reports.items():
        last = [report["points"][-1] for report in reports]
        cells = [NAMES[name], *(at(reports, labels) for labels in SHOWN)]
        cells += [f"{mean([point['labels'] for point in last]):,.0f}", f"{mean([p['macro_ap'] for p in last]):.3f}"]
        rows.append([*cells, f"{mean([report['seconds'] for report in reports]):,.1f}"])
    heading = ["macro-AP", *(f"{labels:,}" for labels in SHOWN), "labels at the end", "AP", "training, seconds"]
    yield from (*table(heading, rows, words=1), "")


def at(reports: Sequence[Report], labels: int) -> str:
    found = [point["macro_ap"] for report in reports for point in report["points"] if point["labels"] == labels]
    return f"{mean(found):.3f}" if len(found) == len(reports) else ""


def hard(reports: Sequence[Report]) -> Iterator[str]:
    """Macro-AP at the end of the budget when the stream is harder, seed 0."""
    rows = []
    for feed in sorted({report["feed"] for report in reports}):
        for name in (DEFAULT, ("sklearn", "passive")):
            found = {
                condition(report): report["points"][-1]["macro_ap"]
                for report in reports
                if (report["feed"], report["system"], report["policy"], report["seed"]) == (feed, *name, 0)
            }
            cells = [f"{found[kind]:.3f}" if kind in found else "" for kind in HARD.values()]
            if len(found) > 1:
                rows.append([feed, NAMES[name], *cells])
    if rows:
        yield from ("## Harder streams", "", "Macro-AP at the end of the budget, seed 0.", "")
        yield from (*table(["feed", "system", *HARD], rows, words=2), "")


def write(page: Path, reports: Sequence[Report], planned: int) -> None:
    """Write the part of the page between the two marks, and the plots beside it."""
    from labels_plot import plot  # noqa: PLC0415 - tables go without

    feeds = [feed for feed in collect(reports) if DEFAULT in feed.reports]
    lines = [*made(reports, planned), "", *summary(feeds), "", *losses(feeds), "", "## Learner and asking apart", ""]
    lines += [*apart(feeds), "", "## Every answer, in one pass", ""]
    lines += [*every(feeds), ""]
    for feed in feeds:
        lines += of_feed(feed)
        plot(feed, page.parent / f"benchmarks-labels.{feed.name}.svg")
    lines += hard(reports)
    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    page.write_text("\n".join([before + BEGIN, *lines, END + after]))


def made(reports: Sequence[Report], planned: int) -> Iterator[str]:
    machines = {(r["machine"]["cpu"], r["machine"]["cores"], r["machine"]["python"]) for r in reports}
    versions = {f"{name} {number}" for report in reports for name, number in report["machine"]["versions"].items()}
    loads = [report["load"] for report in reports]
    cpus = "; ".join(f"{cpu}, {cores} cores, Python {python}" for cpu, cores, python in sorted(machines))
    codes = sorted({report["code"] for report in reports if report["system"] == "askance"})
    yield f"From {len(reports)} of {planned} runs: {cpus}; {', '.join(sorted(versions))}. Load average while they ran:"
    yield f"{min(loads)} to {max(loads)}. Code of Askance: {', '.join(codes)}. Its default policy: `{DEFAULT[1]}`."
