"""The series that are exposed are those of the table, by its names, and documented."""

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from service.series import SERIES, STAGES

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_series_of_the_table_is_exposed_and_no_other(registry, metrics):
    metrics.lag({("products", 0): 1})
    exposed = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        if family.name.startswith("askance_") and not family.name.endswith("_created")
    }

    assert exposed == {series.name for series in SERIES}


@pytest.mark.usefixtures("metrics")
def test_every_label_combination_starts_at_zero(registry):
    values = [
        registry.get_sample_value(
            series.name + ("_count" if series.kind == "histogram" else ""),
            dict(zip(series.labels, labels, strict=True)),
        )
        for series in SERIES
        for labels in series.values
    ]

    assert set(values) == {0.0}


def test_labels_have_the_names_of_the_table(registry, metrics):
    metrics.lag({("products", 0): 1})
    labels = {
        sample.name: set(sample.labels) - {"le"}
        for family in registry.collect()
        for sample in family.samples
        if sample.name.startswith("askance_") and not sample.name.endswith("_created")
    }
    expected = {
        name: set(series.labels)
        for series in SERIES
        for name in (
            [f"{series.name}{end}" for end in ("_bucket", "_count", "_sum")]
            if series.kind == "histogram"
            else [series.name]
        )
    }

    assert labels == expected


@pytest.mark.parametrize("series", SERIES, ids=lambda series: series.name)
def test_names_follow_the_conventions(series):
    assert re.fullmatch(r"askance(_[a-z0-9]+)+", series.name)
    assert series.name.endswith("_total") == (series.kind == "counter")
    assert not re.search(r"_(ms|minutes|percent|age|count|sum|bucket)(_|$)", series.name)


def test_every_series_is_documented_as_it_is():
    rows = re.findall(r"^\| `(askance_\w+)` \| (\w+) \|([^|]*)\|([^|]*)\|$", OPERATIONS.read_text(), re.MULTILINE)
    expected = [(s.name, s.kind, ", ".join(f"`{label}`" for label in s.labels) or "", s.help) for s in SERIES]

    assert [(name, kind, labels.strip(), text.strip()) for name, kind, labels, text in rows] == expected


def test_every_stage_of_the_results_has_a_label():
    assert STAGES == {
        "score": ("decode", "featurise", "classify", "watch", "decide", "encode", "publish"),
        "learn": ("decode", "join", "update", "rivals", "publish"),
    }
