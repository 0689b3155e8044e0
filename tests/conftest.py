"""The logs that tests run against: the embedded one always, a real Kafka where one can be had."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from shared.brokers import Broker, NoBroker
from shared.clients import CLIENTS, Client, client_named
from shared.logs import KafkaLog, SqliteLog, collect  # the client is imported there


def pytest_collection_modifyitems(items):
    """Let no test fail for a socket that the client leaves to the collector, as it may while it closes."""
    for item in items:
        if item.get_closest_marker("kafka"):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed .*socket:ResourceWarning"))


@pytest.fixture(scope="session", autouse=True)
def _quiet_client():
    # What the client says keeps alive what it speaks of, sockets too.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


@pytest.fixture
def askance(monkeypatch, capsys):
    """Run a command in this process; its exit status and all it printed."""
    from service.cli import main

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["askance", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out + printed.err

    return run


@pytest.fixture
def one_thread():
    """Sums in the same order, so that a model is the same bit for bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tidy():
    yield
    collect()


def started(broker):
    """Start a broker, or say why there is none: where everything is tested that is a failure."""
    try:
        return broker.start()
    except NoBroker as error:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with the broker's key and certificate, and a certificate of somebody else."""
    folder = tmp_path_factory.mktemp("certificates")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed; it makes the certificates")
    for name in ("broker", "stranger"):
        key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
        words = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        words += ["-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
        words += ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
    (folder / "broker.pem").write_text((folder / "broker.key").read_text() + (folder / "broker.crt").read_text())
    return folder


@pytest.fixture(scope="session")
def own_broker(tmp_path_factory, request):
    """A real Kafka that runs as long as the tests do."""
    pem = request.getfixturevalue("certificates") / "broker.pem" if shutil.which("openssl") else None
    running = started(Broker(tmp_path_factory.mktemp("kafka"), pem=pem))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def broker(request):
    """Address of a real Kafka: the one that is given, or else our own."""
    return os.environ.get("ASKANCE_TEST_KAFKA") or request.getfixturevalue("own_broker").servers


@pytest.fixture
def frail_broker(tmp_path):
    """A real Kafka of one test's own, to be stopped and frozen."""
    running = started(Broker(tmp_path))
    yield running
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGCONT)
    running.stop()


@pytest.fixture(params=CLIENTS)
def client(request) -> Client:
    """Each Kafka client in turn."""
    return client_named(request.param)


@pytest.fixture
def open_kafka_log(client):
    """A function that opens a log of its own on a given broker."""
    with contextlib.ExitStack() as stack:

        def open_(servers, **settings):
            log = KafkaLog(servers, client, **settings)
            stack.callback(log.close)
            return log

        yield open_


@pytest.fixture(params=["sqlite", *(pytest.param(name, marks=pytest.mark.kafka) for name in CLIENTS)])
def open_log(request, tmp_path):
    """A function that opens a fresh log, empty and shared with nobody."""
    if request.param == "sqlite":
        return lambda: SqliteLog(Path(tempfile.mkdtemp(dir=tmp_path)))
    servers, client = request.getfixturevalue("broker"), client_named(request.param)
    return lambda: KafkaLog(servers, client)


@pytest.fixture
def log(open_log):
    log = open_log()
    yield log
    log.close()


@pytest.fixture
def sqlite_log(tmp_path):
    log = SqliteLog(tmp_path)
    yield log
    log.close()


@pytest.fixture
def kafka_log(broker, client):
    log = KafkaLog(broker, client)
    yield log
    log.close()


@pytest.fixture
def unused_port_that_listens():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]
