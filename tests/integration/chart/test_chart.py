"""The Helm chart, through the real helm."""

import re
from pathlib import Path

import pytest

from service.feeds import read_outputs
from service.settings import read_settings
from shared.chart import BUILD_LIMIT, CHART, WAYS, container, environment, pod, scorers, way

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILD_LIMIT + 60)]


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
