"""What the chart tells its users: tables, schema, notes."""

import json
import re
import shutil

import pytest
import yaml

from shared.chart import BUILD_LIMIT, CHART

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILD_LIMIT + 60)]


def names(values, above=""):
    for name, value in values.items():
        if isinstance(value, dict) and value and not name.endswith(("Probe", "Context")):
            yield from names(value, f"{above}{name}.")
        else:
            yield above + name


def test_every_value_is_in_the_table_and_no_other():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = re.findall(r"^\| (`.*?`) \|", (CHART / "README.md").read_text(), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}

    assert listed == set(names(values))


def test_every_value_is_in_the_schema_and_no_other():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    assert set(schema["properties"]) - {"global"} == set(values)
    assert schema["additionalProperties"] is False


def test_the_release_is_that_of_the_distribution():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (CHART.parents[1] / "pyproject.toml").read_text()

    assert f'version = "{chart["appVersion"]}"' in project
    assert chart["name"] == CHART.name


@pytest.fixture
def notes(helm, tmp_path):
    """The notes as a release would print them; helm shows them only where there is a cluster."""
    copy = tmp_path / "askance"
    shutil.copytree(CHART, copy)
    text = (copy / "templates" / "NOTES.txt").read_text()
    (copy / "templates" / "_notes.tpl").write_text(f'{{{{- define "notes" }}}}{text}{{{{- end }}}}')
    (copy / "templates" / "notes.yaml").write_text('kind: Notes\ntext: {{ include "notes" . | quote }}\n')

    def render(*arguments):
        result = helm("template", "shop", str(copy), "--show-only", "templates/notes.yaml", *arguments)
        assert result.returncode == 0, result.stderr
        return yaml.safe_load(result.stdout)["text"]

    return render


def test_the_notes_say_what_to_do_next(notes):
    text = notes()

    assert "helm test --namespace default shop" in text
    assert "the embedded log" in text
    assert "example:replace-me" in text
    assert "WARNING" not in text


def test_the_notes_warn_of_what_will_surprise(notes):
    text = notes("--set", "persistence.enabled=false,podMonitor.enabled=true,outputs={a},kafka.bootstrap=k:9092")

    assert "persistence is off" in text
    assert "no monitor was made" in text
    assert "the log on Kafka at k:9092" in text
    assert "example:replace-me" not in text
