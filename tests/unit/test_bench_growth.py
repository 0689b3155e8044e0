"""The tables of what grows."""

from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("growth_page")


def replicas(count, pace, cost):
    found = {"replicas": count, "products_per_second": pace, "microseconds_of_processor": cost, "cores_of_each": [0.5]}
    return {"load": 2.0, "found": [found]}


def test_a_row_for_each_number_and_one_of_exponents(page):
    reports = [replicas(1, 1_000, 50.0), replicas(2, 2_000, 50.0), replicas(4, 4_000, 50.0)]

    head, _, *rows, exponents = page.table(page.TABLES["replicas"], reports)

    assert head.startswith("| replicas | products a second |")
    assert [row.split("|")[1:3] for row in rows] == [[" 1 ", " 1,000 "], [" 2 ", " 2,000 "], [" 4 ", " 4,000 "]]
    assert exponents == "| exponent from 1 | 1.00 | 0.00 | 0.00 |  |  |"


def test_what_is_so_small_that_it_is_noise_has_no_exponent(page):
    assert page.slope([0.0, 1.0], [0.5, 40.0]) == ""


def test_history_is_one_report_with_many_rows(page):
    one = {
        "seen": 50_000, "microseconds_then": 40.0, "times_the_first": 1.0, "microseconds_of_joining": 20.0,
        "slower": 2.0, "milliseconds_per_answer": 12.0, "megabytes": 800, "megabytes_of_ledger": 35.0, "answers": 64,
        "features": 4_000, "bytes_per_product": {"products": 300.0, "predictions": 400.0},
    }  # fmt: skip
    other = one | {"seen": 100_000, "times_the_first": 1.5}

    _, _, first, second = page.table(page.TABLES["history"], [{"load": 2.0, "found": [one, other]}])

    assert first == "| 50,000 | 40.0 | 10.0 | 6.0 | 800 | 35 | 700 | 700 | 64 | 4,000 |"
    assert second.startswith("| 100,000 | 60.0 |")
