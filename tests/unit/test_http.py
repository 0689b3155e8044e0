import http.client
import json
import socket
import threading
import time

import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service.http import STOP_LIMIT, AddressRefused, Endpoints, Health, application


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health(clock, patience=30.0)


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def get(health, registry):
    hello = Route("/hello", lambda _: PlainTextResponse("hello"))
    with Endpoints(application(health, registry, [hello]), host="127.0.0.1", port=0) as endpoints:

        def fetch(path, accept="*/*"):
            connection = http.client.HTTPConnection("127.0.0.1", endpoints.port, timeout=10)
            connection.request("GET", path, headers={"accept": accept})
            answer = connection.getresponse()
            body = answer.read().decode()
            connection.close()
            return answer.status, answer.headers["content-type"], body

        yield fetch


def test_a_process_that_has_not_turned_yet_is_alive(get, clock):
    clock.now += 1_000

    assert get("/healthz")[0] == 200


def test_a_process_whose_last_turn_is_recent_is_alive(get, clock, health):
    health.turned()
    clock.now += 29.9
    status, _, body = get("/healthz")

    assert (status, json.loads(body)["alive"]) == (200, True)


def test_a_process_whose_last_turn_is_long_ago_is_not_alive(get, clock, health):
    health.turned()
    clock.now += 30.0
    status, _, body = get("/healthz")

    assert (status, json.loads(body)) == (503, {"alive": False, "seconds_since_turn": 30.0})


def test_a_log_out_of_reach_does_not_make_a_turning_process_look_dead(get, health):
    health.turned()
    health.waiting("log", "broker unreachable")

    assert get("/healthz")[0] == 200
    assert get("/readyz")[0] == 503


def test_it_says_what_it_waits_for(get, health):
    health.ready("model")
    health.waiting("log", "broker localhost:9092 unreachable")
    status, _, body = get("/readyz")

    assert status == 503
    assert json.loads(body) == {"ready": False, "waiting_for": {"log": "broker localhost:9092 unreachable"}}


def test_it_is_ready_when_every_part_is(get, health):
    health.ready("model")
    health.ready("log")
    status, _, body = get("/readyz")

    assert (status, json.loads(body)) == (200, {"ready": True, "waiting_for": {}})


def test_it_says_how_old_the_model_is_that_it_serves(get, health):
    health.serving(7, time.time() - 100.0)
    model = json.loads(get("/readyz")[2])["model"]

    assert (model["version"], round(model["age_seconds"], -1)) == (7, 100.0)


def test_a_draining_process_is_alive_and_not_ready(get, health):
    health.ready("model")
    health.ready("log")
    health.turned()
    health.drain()

    assert get("/healthz")[0] == 200
    assert json.loads(get("/readyz")[2])["waiting_for"] == {"process": "draining"}


def test_metrics_are_those_of_the_registry_without_creation_times(get, registry):
    Counter("asked", "asked", registry=registry).inc(3)
    status, content_type, body = get("/metrics")

    assert status == 200
    assert content_type.startswith("text/plain; version=0.0.4")
    assert body.splitlines() == ["# HELP asked_total asked", "# TYPE asked_total counter", "asked_total 3.0"]


def test_metrics_come_as_openmetrics_where_asked_for(get):
    _, content_type, body = get("/metrics", "application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith("# EOF\n")


def test_other_routes_are_served_beside_its_own(get):
    assert get("/hello")[2] == "hello"


def test_an_unknown_path_is_not_found(get):
    assert get("/nothing")[0] == 404


def test_a_port_in_use_is_an_error_by_name(health, registry):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(AddressRefused, match=rf"127\.0\.0\.1:{port}: .*in use.*ASKANCE_HTTP__PORT"):
            Endpoints(application(health, registry), host="127.0.0.1", port=port)


@pytest.mark.parametrize(("host", "port"), [("203.0.113.7", 0), ("127.0.0.1", 70_000)])
def test_an_address_that_cannot_be_had_is_an_error_by_name(health, registry, host, port):
    with pytest.raises(AddressRefused, match=f"cannot listen at {host}:{port}"):
        Endpoints(application(health, registry), host=host, port=port)


def test_the_port_is_free_again_after_it_stopped(health, registry):
    with Endpoints(application(health, registry), host="127.0.0.1", port=0) as first:
        pass
    with Endpoints(application(health, registry), host="127.0.0.1", port=first.port) as second:
        assert second.port == first.port


def test_stopping_twice_is_stopping_once(health, registry):
    with Endpoints(application(health, registry), host="127.0.0.1", port=0) as endpoints:
        endpoints.stop()

    assert "http" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.timeout(3 * STOP_LIMIT)
def test_an_open_connection_does_not_hold_up_the_stop(health, registry):
    with Endpoints(application(health, registry), host="127.0.0.1", port=0) as endpoints:
        lingering = socket.create_connection(("127.0.0.1", endpoints.port))
        lingering.sendall(b"GET /healthz HTTP/1.1\r\n")
    lingering.close()

    assert "http" not in {thread.name for thread in threading.enumerate()}
