"""Reports of `labels.py` brought together: labels to a quality, by feed, system and seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.policies import POLICIES as RULES
from service.asking_settings import AskingSettings

Report = dict[str, Any]
Name = tuple[str, str]  # system and policy

LEVELS: Final = (0.8, 0.9, 0.95)
DEFAULT: Final = ("askance", AskingSettings().policy)
PLAIN: Final = ("askance", "random")
# Neither ours by default nor peers: with a pretrained encoder, and without looking at what outputs are called.
ENCODED: Final = ("encoded", DEFAULT[1])
NAMELESS: Final = ("nameless", DEFAULT[1])
VARIANTS: Final = (ENCODED, NAMELESS)
POLICIES: Final = tuple(RULES)
CEILING: Final = ("sklearn", "full")
SHOWN: Final = (100, 200, 400, 800, 1_600, 3_200, 6_400)
NAMES: Final[dict[Name, str]] = {
    **{("askance", policy): f"Askance {policy}" for policy in (DEFAULT[1], PLAIN[1], *POLICIES)},
    ("askance", "all"): "Askance, every answer",
    ENCODED: f"Askance {DEFAULT[1]} with an encoder",
    NAMELESS: f"Askance {DEFAULT[1]}, outputs' names not looked at",
    ("sklearn", "passive"): "scikit-learn refit, uniform",
    ("sklearn", "least_positive"): "scikit-learn refit, least positive",
    ("skactiveml", "variable"): "scikit-activeml VariableUncertainty",
    ("skactiveml", "passive"): "SGD, uniform",
    ("river", "passive"): "river, uniform",
    ("vw", "passive"): "Vowpal Wabbit, uniform",
    CEILING: "scikit-learn refit, every answer",
}
EVERY: Final = (("askance", "all"), CEILING)
HARD: Final = {
    "as above": ("shuffled", 0, 0.0),
    "source order": ("source", 0, 0.0),
    "500 late": ("shuffled", 500, 0.0),
    "5,000 late": ("shuffled", 5_000, 0.0),
    "5 % wrong": ("shuffled", 0, 0.05),
    "20 % wrong": ("shuffled", 0, 0.2),
}


def labels_to(points: Sequence[Report], quality: float) -> float | None:
    """Labels at which macro-AP first reaches `quality`; between points a straight line over the logarithm of labels.

    The first point's labels where that one has it already; None where no point has.
    """
    before: Report | None = None
    for point in points:
        if point["macro_ap"] >= quality:
            if before is None:
                return float(point["labels"])
            part = (quality - before["macro_ap"]) / (point["macro_ap"] - before["macro_ap"])
            return float(before["labels"] * (point["labels"] / before["labels"]) ** part)
        before = point
    return None


@dataclass(frozen=True, slots=True)
class Reach:
    """Labels to one quality over seeds; None for a seed that ended, after `ended` labels, without it."""

    values: tuple[float | None, ...]
    ended: int

    @property
    def mean(self) -> float | None:
        """None unless every seed has it."""
        found = [value for value in self.values if value is not None]
        return sum(found) / len(found) if found and len(found) == len(self.values) else None

    def text(self) -> str:
        found = [value for value in self.values if value is not None]
        if self.mean is None:
            return f"> {self.ended:,}" + (f" ({len(found)} of {len(self.values)} seeds reach it)" if found else "")
        start = "≤ " if self.mean <= SHOWN[0] else ""
        spread = f" ({min(found):,.0f} to {max(found):,.0f})" if len(found) > 1 else ""
        return f"{start}{self.mean:,.0f}{spread}"


def reach(reports: Sequence[Report], quality: float) -> Reach:
    """The labels to a quality of one system on one feed, a report per seed."""
    values = tuple(labels_to(report["points"], quality) for report in reports)
    return Reach(values, min((report["points"][-1]["labels"] for report in reports), default=0))


@dataclass(frozen=True, slots=True)
class Feed:
    """The reports of one feed by system, seeds in order, and the ceiling: the mean of learning from every answer."""

    name: str
    reports: dict[Name, list[Report]]
    ceiling: float

    def best(self, level: float, *, ours: bool) -> tuple[Name, Reach] | None:
        """The fewest labels to a level; systems that learn from every answer only where none gets there in budget."""
        able = [
            (name, found)
            for name, reports in self.reports.items()
            if name not in VARIANTS
            and (name[0] == "askance") == ours
            and (found := reach(reports, level * self.ceiling)).mean is not None
        ]
        within = [(name, found) for name, found in able if name not in EVERY]
        return min(within or able, key=lambda entry: entry[1].mean or math.inf, default=None)


def collect(reports: Sequence[Report]) -> list[Feed]:
    """The feeds that have a ceiling, with their plain runs (shuffled, prompt and right answers)."""
    feeds = []
    plain = [report for report in reports if condition(report) == HARD["as above"]]
    for feed in sorted({report["feed"] for report in plain}):
        found: dict[Name, list[Report]] = {}
        for name in NAMES:
            seeds = [r for r in plain if r["feed"] == feed and (r["system"], r["policy"]) == name]
            if seeds:
                found[name] = sorted(seeds, key=lambda report: int(report["seed"]))
        if CEILING in found:
            last = [report["points"][-1]["macro_ap"] for report in found[CEILING]]
            feeds.append(Feed(feed, found, sum(last) / len(last)))
    return feeds


def condition(report: Report) -> tuple[str, int, float]:
    return report["order"], report["delay"], report["noise"]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
