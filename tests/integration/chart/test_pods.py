"""What pods of the chart may do, how they are watched and stopped, and which images they run."""

import pytest

from shared.chart import BUILD_LIMIT, OPERATOR, WAYS, container, pod, scorers, way

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILD_LIMIT + 60)]


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


def test_an_image_can_be_pinned_by_digest(rendered):
    digest = f"sha256:{'0' * 64}"

    assert container(rendered("--set", f"image.digest={digest}"))["image"] == f"askance@{digest}"
