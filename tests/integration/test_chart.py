"""The Helm chart, through the real helm."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from service.feeds import read_outputs
from service.settings import read_settings

VERSION = "v3.22.0"
CHART = Path(__file__).parents[2] / "helm" / "askance"
WAYS = sorted(path.name for path in (CHART / "ci").glob("*-values.yaml"))
OPERATOR = ("--api-versions", "monitoring.coreos.com/v1")
BUILD_LIMIT = 900  # seconds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILD_LIMIT + 60)]


def build(folder):
    subprocess.run(
        [shutil.which("go"), "install", "-p", "1", f"helm.sh/helm/v3/cmd/helm@{VERSION}"],
        env=os.environ | {"GOBIN": str(folder)},
        check=True,
        timeout=BUILD_LIMIT,
        capture_output=True,
        text=True,
    )


def program(made):
    """A helm of the pinned major version: on the path, in the cache, or built into it."""
    on_path = shutil.which("helm")
    if (
        on_path
        and "v3." in subprocess.run([on_path, "version"], check=True, capture_output=True, text=True, timeout=30).stdout
    ):
        return Path(on_path)
    cache = Path(os.environ.get("ASKANCE_CACHE") or Path.home() / ".cache" / "askance")
    cached = cache / f"helm-{VERSION}" / "helm"
    if not cached.exists():
        absent = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        if not shutil.which("go"):
            absent("no helm: Go is missing to build it with")
        try:
            build(made)
        except subprocess.SubprocessError as error:
            absent(f"no helm: {error}: {(getattr(error, 'stderr', '') or '')[-300:]}")
        shutil.copytree(made, cached.parent, dirs_exist_ok=True)
    return cached


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    """How to call helm with nothing of this machine's own settings."""
    home = tmp_path_factory.mktemp("helm")
    found = program(home / "bin")
    own = {name: str(home / name.lower()) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}

    def run(*arguments):
        return subprocess.run(
            [found, *arguments], env=os.environ | own, capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.fixture(scope="session")
def rendered(helm):
    """The objects that values make, by kind; those that score apart, by kind and name."""

    def render(*arguments):
        result = helm("template", "shop", str(CHART), *arguments)
        assert result.returncode == 0, result.stderr
        objects = {}
        for item in filter(None, yaml.safe_load_all(result.stdout)):
            name = item["metadata"]["name"]
            objects[f"{item['kind']}/{name}" if name.endswith("-score") else item["kind"]] = item
        return objects

    return render


def way(name):
    return ("--values", str(CHART / "ci" / name), *OPERATOR)


def pod(objects):
    return objects["StatefulSet"]["spec"]["template"]["spec"]


def container(objects):
    (only,) = pod(objects)["containers"]
    return only


def environment(objects):
    return {variable["name"]: variable["value"] for variable in container(objects)["env"] if "value" in variable}


def scorers(objects):
    """The objects as if those that score were the first of their kind."""
    return {
        kind: objects.get(f"{kind}/shop-askance-score", found) for kind, found in objects.items() if "/" not in kind
    }


@pytest.fixture
def settings_of(monkeypatch):
    """The settings that the service makes of the chart's variables."""

    def read(objects):
        for name in [name for name in os.environ if name.startswith("ASKANCE_")]:
            monkeypatch.delenv(name)
        for name, value in environment(objects).items():
            monkeypatch.setenv(name, value)
        return read_settings()

    return read


@pytest.mark.parametrize("values", WAYS)
def test_helm_lint_finds_nothing(helm, values):
    result = helm("lint", "--strict", str(CHART), "--values", str(CHART / "ci" / values))

    assert (result.returncode, re.findall(r"\[(WARNING|ERROR)\]", result.stdout)) == (0, []), result.stdout


def test_helm_lint_finds_nothing_without_any_value(helm):
    assert helm("lint", "--strict", str(CHART)).returncode == 0


@pytest.mark.parametrize("values", WAYS)
def test_the_service_takes_the_variables(rendered, settings_of, values):
    settings = settings_of(rendered(*way(values)))

    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 9464)
    assert settings.data_dir == Path("/data")
    assert settings.outputs_file == Path("/config/outputs.json")


def test_without_any_value_the_log_is_embedded_in_a_volume(rendered, settings_of):
    objects = rendered()
    (claim,) = objects["StatefulSet"]["spec"]["volumeClaimTemplates"]

    assert settings_of(objects).kafka.bootstrap == ""
    assert claim["metadata"]["name"] == "data"
    assert {"name": "data", "mountPath": "/data"} in container(objects)["volumeMounts"]
    assert objects["StatefulSet"]["spec"]["replicas"] == 1
    assert "resources" not in container(objects)


def test_values_for_kafka_become_settings(rendered, settings_of):
    objects = rendered(*way("kafka-values.yaml"))
    settings = settings_of(objects)

    assert settings.kafka.bootstrap == "kafka-0.kafka:9092,kafka-1.kafka:9092"
    assert settings.kafka.group == "shop"
    assert settings.kafka.security["ssl_check_hostname"] is True
    assert settings.stream == "shop"
    assert (settings.asking.share, settings.asking.p_min) == (0.05, 0.01)
    assert (settings.log.prefix, settings.log.max_bytes, settings.log.create_topics) == ("shop.", 2_000_000, False)
    assert container(objects)["envFrom"] == [{"secretRef": {"name": "askance"}}]


def test_one_pod_learns_and_others_score(rendered, settings_of):
    objects = rendered(*way("split-values.yaml"))
    score = scorers(objects)
    settings = settings_of(score)
    (instance,) = (one for one in container(score)["env"] if one["name"] == "ASKANCE_KAFKA__INSTANCE")

    assert [objects["StatefulSet"]["spec"]["replicas"], score["StatefulSet"]["spec"]["replicas"]] == [1, 3]
    assert [container(objects)["args"], container(score)["args"]] == [["learn"], ["score"]]
    assert instance["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert (settings.kafka.bootstrap, settings.log.partitions) == ("kafka-0.kafka:9092", 6)
    assert container(score)["envFrom"] == container(objects)["envFrom"] == [{"secretRef": {"name": "askance"}}]
    assert container(score)["resources"] == {"requests": {"cpu": "2", "memory": "2Gi"}}


def test_a_scorer_keeps_nothing(rendered):
    score = scorers(rendered(*way("split-values.yaml")))

    assert "volumeClaimTemplates" not in score["StatefulSet"]["spec"]
    assert pod(score)["volumes"] == [{"name": "tmp", "emptyDir": {}}, {"name": "data", "emptyDir": {}}]


def test_the_pods_of_one_role_are_not_taken_for_those_of_the_other(rendered):
    objects = rendered(*way("split-values.yaml"))
    sets = [objects["StatefulSet"]["spec"], scorers(objects)["StatefulSet"]["spec"]]
    chosen = [one["selector"]["matchLabels"].items() for one in sets]
    labels = [one["template"]["metadata"]["labels"].items() for one in sets]
    values = objects["PodMonitor"]["spec"]["selector"]["matchExpressions"][0]["values"]

    assert [[one <= other for other in labels] for one in chosen] == [[True, False], [False, True]]
    assert {one["app.kubernetes.io/name"] for one in map(dict, labels)} == set(values)
    assert scorers(objects)["Service"]["spec"]["selector"].items() == chosen[1]


def test_from_single_to_split_the_learner_stays_the_same_pod(rendered):
    kept = ("serviceName", "selector", "volumeClaimTemplates", "replicas")
    made = [rendered(*way(values))["StatefulSet"] for values in ("kafka-values.yaml", "split-values.yaml")]
    single, split = ({"name": one["metadata"]["name"]} | {key: one["spec"][key] for key in kept} for one in made)
    for one in (single, split):
        del one["volumeClaimTemplates"][0]["spec"]

    assert single == split


@pytest.mark.parametrize(
    ("values", "name"),
    [("roles=split,existingSecret=a", "kafka.bootstrap"), ("roles=split,kafka.bootstrap=k:1", "SEED")],
)
def test_roles_apart_are_refused_without_what_they_need(helm, values, name):
    result = helm("template", "shop", str(CHART), "--set", values)

    assert (result.returncode != 0, name in result.stderr) == (True, True)


def test_a_secret_adds_its_keys_to_the_options_of_kafka(rendered, settings_of, monkeypatch):
    objects = rendered(*way("kafka-values.yaml"))
    settings_of(objects)
    monkeypatch.setenv("ASKANCE_KAFKA__SECURITY__SASL_PLAIN_PASSWORD", "12345")
    security = read_settings().kafka.security

    assert security["sasl_plain_password"] == "12345"
    assert security["sasl_mechanism"] == "SCRAM-SHA-512"


def test_the_outputs_are_read_as_they_were_named(rendered, tmp_path):
    objects = rendered(*way("kafka-values.yaml"))
    file = tmp_path / "outputs.json"
    file.write_text(objects["ConfigMap"]["data"]["outputs.json"])
    volumes = {volume["name"]: volume for volume in pod(objects)["volumes"]}

    assert read_outputs(file) == ("category:footwear", "category:bags", "season:summer")
    assert volumes["outputs"]["configMap"]["name"] == objects["ConfigMap"]["metadata"]["name"]


def test_other_outputs_restart_the_pod(rendered):
    sums = {
        rendered("--set", f"outputs={{{names}}}")["StatefulSet"]["spec"]["template"]["metadata"]["annotations"][
            "checksum/outputs"
        ]
        for names in ("a", "a,b", "a")
    }

    assert len(sums) == 2


def test_things_of_ones_own_are_used_and_not_made(rendered):
    objects = rendered(*way("monitored-values.yaml"))
    volumes = {volume["name"]: volume for volume in pod(objects)["volumes"]}

    assert "ConfigMap" not in objects
    assert "volumeClaimTemplates" not in objects["StatefulSet"]["spec"]
    assert volumes["outputs"]["configMap"]["name"] == "shop-outputs"
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == "shop-data"
    assert environment(objects)["OMP_NUM_THREADS"] == "2"


def test_without_a_volume_the_data_are_the_pods(rendered):
    objects = rendered("--set", "persistence.enabled=false")
    volumes = {volume["name"]: volume for volume in pod(objects)["volumes"]}

    assert volumes["data"] == {"name": "data", "emptyDir": {}}
    assert "volumeClaimTemplates" not in objects["StatefulSet"]["spec"]


@pytest.mark.parametrize("values", WAYS)
@pytest.mark.parametrize("kind", ["StatefulSet", "scorers", "Pod"])
def test_every_pod_fits_the_restricted_level(rendered, values, kind):
    objects = rendered(*way(values))
    objects = scorers(objects) if kind == "scorers" else objects
    spec = objects["Pod"]["spec"] if kind == "Pod" else pod(objects)
    (only,) = spec["containers"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not [volume for volume in spec.get("volumes", []) if "hostPath" in volume]


def test_all_that_is_written_lies_in_a_volume(rendered):
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in container(rendered())["volumeMounts"]}

    assert mounts == {"/data": False, "/config": True, "/tmp": False}


def test_the_probes_ask_what_they_should(rendered):
    only = container(rendered())
    paths = {probe: only[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    (port,) = only["ports"]

    assert paths == {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
    assert {only[probe]["httpGet"]["port"] for probe in paths} == {port["name"]}


def test_it_has_time_to_stop(rendered):
    assert pod(rendered())["terminationGracePeriodSeconds"] >= 60


def test_the_test_pod_asks_whether_it_is_ready(rendered):
    objects = rendered("--set", "service.port=9000")
    (only,) = objects["Pod"]["spec"]["containers"]
    source = only["args"][0]
    compile(source, "test", "exec")

    assert objects["Pod"]["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert f"http://{objects['Service']['metadata']['name']}:9000/readyz" in source
    assert only["image"] == container(objects)["image"]


def test_selectors_hold_nothing_that_a_release_changes(rendered):
    objects = rendered(*way("monitored-values.yaml"))
    expected = {"app.kubernetes.io/name": "askance", "app.kubernetes.io/instance": "shop"}

    assert objects["StatefulSet"]["spec"]["selector"]["matchLabels"] == expected
    assert objects["Service"]["spec"]["selector"] == expected
    assert objects["PodMonitor"]["spec"]["selector"]["matchLabels"] == expected
    assert objects["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == expected


def test_the_test_pod_is_not_behind_the_service(rendered):
    objects = rendered()
    selector = objects["Service"]["spec"]["selector"].items()

    assert not selector <= objects["Pod"]["metadata"]["labels"].items()


def test_monitors_carry_the_labels_that_an_operator_selects_by(rendered):
    objects = rendered(*way("monitored-values.yaml"))

    assert objects["PodMonitor"]["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert objects["PodMonitor"]["spec"]["podMetricsEndpoints"] == [
        {"port": "http", "path": "/metrics", "interval": "30s"}
    ]
    assert objects["ServiceMonitor"]["spec"]["endpoints"] == [{"port": "http", "path": "/metrics"}]


@pytest.mark.parametrize("arguments", [OPERATOR, way("monitored-values.yaml")[:2]], ids=["off", "no operator"])
def test_monitors_are_made_only_where_wanted_and_known(rendered, arguments):
    assert not {"PodMonitor", "ServiceMonitor"} & rendered(*arguments).keys()


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ("replicas=3", "replicas"),
        ("roles=many", "roles"),
        ("scorers.replicas=0", "replicas"),
        ("kafka.brokers=a:1", "brokers"),
        ("kafka.bootstrap=no-port", "bootstrap"),
        ("kafka.security.sasl=x", "sasl"),
        ("settings.learnign.threads=2", "learnign"),
        ("outputs=null", "outputs"),
        ("outputs={}", "outputs"),
        ("outputs={a,a}", "outputs"),
        ("service.port=0", "port"),
        ("persistence.size=much", "size"),
        ("image.digest=sha256:abc", "digest"),
    ],
)
def test_a_wrong_value_is_refused_by_name(helm, wrong, name):
    result = helm("template", "shop", str(CHART), "--set", wrong)

    assert result.returncode != 0
    assert name in result.stderr


def test_an_image_can_be_pinned_by_digest(rendered):
    digest = f"sha256:{'0' * 64}"

    assert container(rendered("--set", f"image.digest={digest}"))["image"] == f"askance@{digest}"


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
