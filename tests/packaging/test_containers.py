"""Image, compose file and CI, as far as they can be checked without an engine."""

import fnmatch
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from service.settings import read_settings

ROOT = Path(__file__).parents[2]
PACKAGES = {"service", "models", "consumers", "producers"}


def stages():
    """The instructions of each stage of the Dockerfile, as (word, rest)."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line.split(None, 1) for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip()]
    starts = [number for number, (word, _) in enumerate(lines) if word == "FROM"]
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def copied(stage):
    """Sources of the COPY instructions that take from the tree."""
    return [source for word, rest in stage if word == "COPY" and "--from=" not in rest for source in rest.split()[:-1]]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def workflow():
    return yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


def test_there_are_two_stages_and_the_final_one_takes_nothing_from_the_tree():
    build, final = stages()

    assert set(copied(build)) >= PACKAGES
    assert copied(final) == []
    assert [rest for word, rest in final if word == "COPY"] == ["--from=build /venv /venv"]


@pytest.mark.parametrize("source", copied(stages()[0]))
def test_what_the_image_is_made_of_exists_and_reaches_the_builder(source):
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert (ROOT / source).exists()
    assert rules[0] == "*"
    assert f"!{source}" in rules


def test_nothing_else_reaches_the_builder():
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}

    assert let_in == set(copied(stages()[0]))


def test_everything_installed_is_pinned():
    (install,) = [rest for word, rest in stages()[0] if word == "RUN" and "--requirement" in rest]

    assert "--constraint constraints.txt" in install


def test_the_image_runs_the_command_as_a_user_in_its_data_directory():
    final = dict(stages()[-1])

    assert final["USER"] == "1000:1000"
    assert final["WORKDIR"] == "/data"
    assert final["VOLUME"] == "/data"
    assert json.loads(final["ENTRYPOINT"]) == ["askance"]
    assert json.loads(final["CMD"]) == ["run"]
    assert final["STOPSIGNAL"] == "SIGTERM"


def test_the_images_variables_are_settings(monkeypatch):
    (variables,) = [rest for word, rest in stages()[-1] if word == "ENV"]
    for name, value in re.findall(r"(ASKANCE_\w+)=(\S+)", variables):
        monkeypatch.setenv(name, value)
    settings = read_settings()

    assert settings.data_dir == Path("/data")
    assert settings.http.host == "0.0.0.0"
    assert f"EXPOSE {settings.http.port}" in (ROOT / "Dockerfile").read_text()


def test_the_versions_of_python_in_image_and_project_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    images = {rest.split()[0] for stage in stages() for word, rest in stage if word == "FROM"}

    assert images == {f"python:{project['requires-python'].removeprefix('>=')}-slim"}


def test_compose_has_the_four_services_each_with_a_check_of_its_health(compose):
    assert set(compose["services"]) == {"kafka", "askance", "prometheus", "grafana"}
    assert [name for name, service in compose["services"].items() if not service.get("healthcheck")] == []


def test_every_file_that_compose_mounts_exists(compose):
    mounts = [mount.split(":")[0] for service in compose["services"].values() for mount in service["volumes"]]
    files = [mount for mount in mounts if mount.startswith(".")]

    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert {mount for mount in mounts if not mount.startswith(".")} == set(compose["volumes"])


def test_every_port_of_compose_is_open_to_this_machine_only(compose):
    ports = [port for service in compose["services"].values() for port in service["ports"]]

    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_compose_gives_the_service_settings_it_takes(compose, monkeypatch):
    for name, value in compose["services"]["askance"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", value))
    settings = read_settings()
    kafka = compose["services"]["kafka"]["environment"]

    assert len(settings.outputs) == 3
    assert f"INSIDE://{settings.kafka.bootstrap}" in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")


def test_compose_runs_the_service_with_as_little_as_it_needs(compose):
    service = compose["services"]["askance"]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["tmpfs"] == ["/tmp"]


def test_the_kafka_of_compose_is_the_kafka_of_the_tests(compose):
    version = re.search(r"<kafka.version>(.+)<", (ROOT / "tests" / "broker" / "pom.xml").read_text()).group(1)

    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{version}"


def test_the_prometheus_of_compose_is_the_prometheus_of_the_tests(compose):
    module = re.search(r'VERSION = "v0\.(\d)(\d+)\.(\d+)"', (ROOT / "tests/shared/monitoring.py").read_text())

    assert compose["services"]["prometheus"]["image"] == "prom/prometheus:v{}.{}.{}".format(*module.groups())


def test_the_image_of_compose_is_that_of_the_release(compose):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert compose["services"]["askance"]["image"] == f"askance:{project['version']}"


def test_prometheus_scrapes_the_service_of_compose(compose):
    settings = yaml.safe_load((ROOT / "monitoring" / "prometheus.yml").read_text())
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in settings["scrape_configs"]}

    assert targets["askance"] == ["askance:9464"]
    assert "127.0.0.1:9464:9464" in compose["services"]["askance"]["ports"]


def test_grafana_finds_its_data_source_and_the_dashboard(compose):
    provisioning = ROOT / "monitoring" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "askance.yaml").read_text())["providers"]
    mounts = [mount.split(":") for mount in compose["services"]["grafana"]["volumes"]]
    inside = {outer: inner for outer, inner, *_ in mounts}
    dashboard = json.loads((ROOT / "monitoring" / "grafana" / "dashboard.json").read_text())

    assert source["url"] == "http://prometheus:9090"
    assert inside["./monitoring/grafana/dashboard.json"].startswith(provider["options"]["path"] + "/")
    assert dashboard["templating"]["list"][0]["current"]["value"] == source["uid"]


def test_ci_runs_what_people_run(workflow):
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    targets = {match for command in commands for match in re.findall(r"make (\w+)", command)}
    rules = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert targets == {"check", "test"}
    assert targets <= set(rules)


def test_ci_is_green_when_all_of_it_is(workflow):
    last = workflow["jobs"]["all-green"]
    others = set(workflow["jobs"]) - {"all-green"}

    assert set(last["needs"]) == others
    assert last["if"] == "always()"
    assert " ".join(["success"] * len(others)) in last["steps"][0]["run"]


def test_ci_tests_every_python_we_promise(workflow):
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")

    assert oldest in workflow["jobs"]["test"]["strategy"]["matrix"]["python"]


def test_ci_builds_the_helm_of_the_tests(workflow):
    version = re.search(r'VERSION = "(v[\d.]+)"', (ROOT / "tests/shared/chart.py").read_text()).group(1)
    commands = " ".join(step.get("run", "") for step in workflow["jobs"]["chart"]["steps"])

    assert f"helm.sh/helm/v3/cmd/helm@{version}" in commands


def test_every_way_of_using_the_chart_is_linted(workflow):
    commands = " ".join(step.get("run", "") for step in workflow["jobs"]["chart"]["steps"])
    pattern = re.search(r"helm/askance/ci/\S+", commands).group(0).rstrip(";")
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "helm/askance/ci").iterdir()]

    assert [file for file in files if not fnmatch.fnmatch(file, pattern)] == []
