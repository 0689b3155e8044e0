"""The drawings of docs/benchmarks.md are of its tables."""

from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAGE = """<!-- growth by outputs: begin -->
| outputs | µs a product | ms an answer |
| ---: | ---: | ---: |
| 10 | 27.9 | 4.54 |
| **1,000** | 190.0 | 52.8 |
| exponent from 10 | 0.42 | 0.53 |

| another | table |
| --- | --- |
| 1 | 2 |
<!-- growth by outputs: end -->

<!-- growth by history: begin -->
<!-- growth by history: end -->
"""


@pytest.fixture
def plots(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("speed_plot")


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "benchmarks.md"
    path.write_text(PAGE)
    return path


def test_tables_of_a_part_are_read_as_rows_by_heading(plots, page):
    first, other = plots.tables(page, "growth by outputs")

    assert [row["outputs"] for row in first] == ["10", "1,000", "exponent from 10"]
    assert other == [{"another": "1", "table": "2"}]
    assert plots.tables(page, "growth by history") == []


def test_a_cell_is_what_it_begins_with(plots):
    assert [plots.number(cell) for cell in ("1,234 kB", "10%", "0.56")] == [1_234.0, 10.0, 0.56]


def test_the_same_tables_give_the_same_drawing(plots, page):
    drawing = page.with_name("benchmarks.growth.svg")
    plots.draw(page, ["growth"])
    first = drawing.read_bytes()
    plots.draw(page, ["growth"])

    assert first.startswith(b"<?xml")
    assert first == drawing.read_bytes()
