"""The tables of docs/benchmarks.md, "How it grows": a row for each number, and one of exponents."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from throughput_table import line

Found = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A heading, what stands under it, and whether an exponent is fitted to it."""

    head: str
    value: Callable[[Found], float]
    shown: str = "{:,}"
    fitted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What grows, from where on exponents are fitted, and the columns beside it."""

    about: str
    head: str
    large: int
    columns: tuple[Column, ...]


def _of(name: str, head: str, *, shown: str = "{:,}", fitted: bool = True) -> Column:
    return Column(head=head, value=lambda found: float(found[name]), shown=shown, fitted=fitted)


SIZES: Final = (
    _of("products_per_second", "products a second", shown="{:,.0f}", fitted=False),
    _of("microseconds_per_product", "µs a product"),
    _of("milliseconds_per_answer", "ms an answer"),
    _of("megabytes_of_model", "MB of the learner", shown="{:,.0f}"),
    _of("megabytes_of_scoring", "MB of scoring", shown="{:,.0f}"),
    Column(head="largest record", value=lambda found: found["largest_record"] / 1e3, shown="{:,.0f} kB"),
)
HISTORY: Final = (
    Column(
        head="scoring, µs a product", value=lambda found: found["microseconds_then"] * found["times_the_first"],
        shown="{:,.1f}", fitted=True,
    ),
    Column(
        head="ledger, µs a product", value=lambda found: found["microseconds_of_joining"] / found["slower"],
        shown="{:,.1f}", fitted=True,
    ),
    Column(
        head="ms an answer", value=lambda found: found["milliseconds_per_answer"] / found["slower"],
        shown="{:,.1f}", fitted=True,
    ),
    _of("megabytes", "resident, MB", shown="{:,.0f}"),
    _of("megabytes_of_ledger", "ledger, MB", shown="{:,.0f}"),
    Column(
        head="ledger, bytes a product", value=lambda found: 1e6 * found["megabytes_of_ledger"] / found["seen"],
        shown="{:,.0f}", fitted=True,
    ),
    Column(
        head="log, bytes a product", value=lambda found: sum(found["bytes_per_product"].values()),
        shown="{:,.0f}", fitted=True,
    ),
    _of("answers", "answers learnt", shown="{:,.0f}", fitted=False),
    _of("features", "features known", shown="{:,.0f}", fitted=False),
)  # fmt: skip
REPLICAS: Final = (
    _of("products_per_second", "products a second", shown="{:,.0f}"),
    _of("microseconds_of_processor", "µs of processor a product"),
    Column(
        head="products a second and core", value=lambda found: 1e6 / found["microseconds_of_processor"],
        shown="{:,.0f}", fitted=True,
    ),
    Column(head="cores that the scorers got", value=lambda found: sum(found["cores_of_each"]), shown="{:.2f}"),
    _of("load", "load average", shown="{:.1f}", fitted=False),
)  # fmt: skip
TABLES: Final = {
    "outputs": Table(about="outputs", head="outputs", large=1_000, columns=SIZES),
    "members": Table(about="members", head="members", large=8, columns=SIZES),
    "history": Table(about="seen", head="products seen", large=500_000, columns=HISTORY),
    "replicas": Table(about="replicas", head="replicas", large=1, columns=REPLICAS),
}


def table(what: Table, reports: Sequence[Found]) -> list[str]:
    """The lines; a report has one finding or, of history, one for each number."""
    found = [each | {"load": report["load"]} for report in reports for each in report["found"]]
    lines = ["| " + " | ".join([what.head, *(column.head for column in what.columns)]) + " |"]
    lines.append("| ---: |" + " ---: |" * len(what.columns))
    for each in found:
        cells = [column.shown.format(column.value(each)) for column in what.columns]
        lines.append(line(f"{each[what.about]:,}", cells))
    large = [each for each in found if each[what.about] >= what.large]
    if len(large) > 1:
        sizes = np.log([each[what.about] for each in large])
        slopes = [slope(sizes, [c.value(each) for each in large]) if c.fitted else "" for c in what.columns]
        lines.append(line(f"exponent from {what.large:,}", slopes))
    return lines


def slope(sizes: Any, values: Sequence[float]) -> str:
    """The exponent; nothing where values are so small that they are noise."""
    return f"{np.polyfit(sizes, np.log(values), 1)[0]:.2f}" if min(values) > 1 else ""
