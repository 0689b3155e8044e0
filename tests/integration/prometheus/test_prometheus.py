"""A real Prometheus: does it take our configuration and rules, our exposition, and what it scraped from us."""

import contextlib
import json
import re
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest
import yaml
from prometheus_client import CollectorRegistry

from service.http import Endpoints, Health, application
from service.metrics import Metrics
from service.score import Scored
from service.series import SERIES
from shared.monitoring import BUILD_LIMIT, MONITORING, OPERATIONS, dashboard, panels, queries, rules

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILD_LIMIT + 60)]


@pytest.fixture
def fed():
    """A registry whose every series has something in it."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, ["category:shoes"], version="1.2.3")
    metrics.scored(
        Scored(
            outgoing=(),
            arrivals=40,
            asked=4,
            rejected={},
            chances=np.full(40, 0.1),
            positives={"category:shoes": 7},
            model=3,
            policy="iwal",
            target=0.1,
            scale=1.0,
            output_scales={},
            seconds={"decode": 0.002},
        )
    )
    metrics.lag({("products", 0): 11})
    return registry


@pytest.fixture
def endpoints(fed):
    health = Health(time.monotonic, patience=30.0)
    with Endpoints(application(health, fed), host="127.0.0.1", port=0) as listening:
        yield listening


def known():
    names = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
    for series in SERIES:
        names.add(series.name)
        if series.kind == "histogram":
            names |= {f"{series.name}_{end}" for end in ("bucket", "count", "sum")}
    return names


def test_every_series_that_an_alert_or_a_panel_asks_for_exists():
    text = " ".join([*queries(), *(rule["expr"] for rule in rules()), json.dumps(dashboard()["templating"])])

    assert set(re.findall(r"\b(?:askance|process)_\w+", text)) - known() == set()


def test_every_series_is_on_the_dashboard():
    text = " ".join([*queries(), json.dumps(dashboard()["templating"])])

    assert [series.name for series in SERIES if series.name not in text] == []


def test_every_alert_has_its_own_section_in_the_operations_page():
    sections = re.findall(r"^### (\w+)$", OPERATIONS.read_text(), re.MULTILINE)

    assert [rule["alert"] for rule in rules()] == sections
    assert [rule["annotations"]["runbook"] for rule in rules()] == [
        f"docs/operations.md#{section.lower()}" for section in sections
    ]


def test_the_dashboard_names_no_data_source_of_its_own():
    made = dashboard()
    sources = {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]}

    assert sources == {"${datasource}"}
    assert made["uid"] == "askance"
    assert "id" not in made
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])


def test_every_panel_says_what_it_shows():
    assert [panel["title"] for panel in panels() if not panel.get("description")] == []


@pytest.mark.parametrize(("check", "file"), [("config", "prometheus.yml"), ("rules", "alerts.yaml")])
def test_promtool_takes_the_files(promtool, check, file):
    result = promtool("check", check, file, cwd=MONITORING)

    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_takes_every_query_of_the_dashboard(promtool, tmp_path):
    made = [
        {
            "record": f"panel:{number}",
            "expr": expression.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*"),
        }
        for number, expression in enumerate(queries())
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}))
    result = promtool("check", "rules", str(file))

    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_finds_nothing_to_say_about_the_exposition(promtool, endpoints):
    body = fetch(f"http://127.0.0.1:{endpoints.port}/metrics")
    result = promtool("check", "metrics", input=body)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


@contextlib.contextmanager
def prometheus(programs, folder, target):
    """A Prometheus that scrapes `target` with the scrape configuration we ship; yields how to ask it."""
    settings = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    settings["rule_files"] = [str(MONITORING / "alerts.yaml")]
    settings["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
    settings["scrape_configs"] = settings["scrape_configs"][:1]
    settings["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = free_port()
    command = [
        str(programs / "prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]

    def ask(query):
        answer = fetch(f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
        return {json.dumps(r["metric"], sort_keys=True): r["value"][1] for r in json.loads(answer)["data"]["result"]}

    with (folder / "out").open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield ask
        finally:
            process.terminate()


def awaited(ask, query, limit=30.0):
    """The answer to the query as soon as there is one."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if result := ask(query):
                return result
        threading.Event().wait(0.25)
    return pytest.fail(f"Prometheus has no {query} after {limit} seconds")


def test_prometheus_scrapes_every_series_with_its_values(programs, endpoints, tmp_path):
    with prometheus(programs, tmp_path, f"127.0.0.1:{endpoints.port}") as ask:
        awaited(ask, 'up{job="askance"} == 1')
        awaited(ask, "askance_build_info")
        names = {json.loads(metric)["__name__"] for metric in ask('{__name__=~"askance_.+"}')}
        values = [
            list(ask(query).values())
            for query in (
                "askance_arrivals_total",
                'askance_positives_total{output="category:shoes"}',
                "askance_chance_ratio_count",
                'askance_chance_ratio_bucket{le="0.1"}',
                'askance_consumer_lag_records{topic="products",partition="0"}',
            )
        ]

    assert names == {
        name for name in known() - {s.name for s in SERIES if s.kind == "histogram"} if name.startswith("askance")
    }
    assert values == [["40"], ["7"], ["40"], ["40"], ["11"]]
