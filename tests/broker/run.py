"""Run a real Apache Kafka, one node in KRaft mode, until stopped: by hand (`make kafka`) and for the tests."""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
CLUSTER = "QXNrYW5jZVRlc3RzMDAwMQ"  # any 16 bytes in base64
SETTINGS = """
process.roles=broker,controller
node.id=1
listeners={advertised},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=\\
  PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_askance="open sesame";
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
{tls}log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
"""
TLS = """
ssl.keystore.type=PEM
ssl.keystore.location={pem}
listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=\\
  org.apache.kafka.common.security.scram.ScramLoginModule required;
"""
PORTS = ("port", "sasl", "ssl", "sasl_ssl", "controller")
USER = "SCRAM-SHA-256=[name=askance,password=open sesame]"


class Unavailable(Exception):
    """No broker can be had here; the text is the reason."""


def jars(cache):
    """Return the folder of Kafka's jars, fetched with Maven on first use."""
    version = re.search(r"<kafka.version>(.+)</kafka.version>", (HERE / "pom.xml").read_text()).group(1)
    folder = cache / f"kafka-{version}"
    if (folder / f"kafka_2.13-{version}.jar").exists():
        return folder
    if shutil.which("mvn") is None:
        raise Unavailable("Maven (mvn) is not installed, and Kafka's jars are not in the cache")
    cache.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"kafka-{version}-", dir=cache))
    command = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
    try:
        done = subprocess.run(
            [*command, "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode != 0:
            raise Unavailable(f"Maven could not fetch Kafka's jars: {(done.stdout + done.stderr)[:500]}")
        if not folder.exists():  # else somebody was quicker
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listening in sockets:
            listening.bind(("127.0.0.1", 0))
        return [listening.getsockname()[1] for listening in sockets]


def start(folder, data, ports, pem):
    """Start the broker over `data`, formatted on first use, and return its process; with a key in `pem`, TLS too."""
    if shutil.which("java") is None:
        raise Unavailable("Java is not installed; Kafka needs Java 17 or newer")
    java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{folder}/*"]
    settings = data / "server.properties"
    listeners = {"PLAINTEXT": "port", "SASL_PLAINTEXT": "sasl"} | (
        {"SSL": "ssl", "SASL_SSL": "sasl_ssl"} if pem else {}
    )
    advertised = ",".join(f"{name}://127.0.0.1:{ports[port]}" for name, port in listeners.items())
    tls = TLS.format(pem=pem) if pem else ""
    settings.write_text(SETTINGS.format(**ports, data=data / "logs", advertised=advertised, tls=tls))
    with (data / "server.log").open("ab") as output:
        if not (data / "logs" / "meta.properties").exists():
            format_ = ["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(settings), "--add-scram", USER]
            subprocess.run([*java, *format_], stdout=output, stderr=output, timeout=120, check=True)
        return subprocess.Popen(
            [*java, "kafka.Kafka", str(settings)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def await_port(process, port, seconds=240.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(f"Kafka ended with status {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.1)
    raise Unavailable(f"Kafka did not listen within {seconds:.0f} s")


def stop(process):
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(15)


def tail(data):
    log = data / "server.log"
    return "\n" + log.read_text(errors="replace")[-1_000:] if log.exists() else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9092, help="0 takes a free one")
    parser.add_argument("--data", type=Path, help="kept folder; without it a temporary one")
    parser.add_argument("--pem", type=Path, help="a key and its certificate, for TLS listeners as well")
    parser.add_argument("--attached", action="store_true", help="print one line of JSON, end when stdin is closed")
    asked = parser.parse_args()
    cache = Path(os.environ.get("ASKANCE_CACHE") or Path.home() / ".cache" / "askance")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="askance-kafka-") as temporary:
        data = asked.data or Path(temporary)
        data.mkdir(parents=True, exist_ok=True)
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        port = ports["port"] = asked.port or ports["port"]
        begun = time.monotonic()
        try:
            process = start(jars(cache), data, ports, asked.pem)
        except (Unavailable, subprocess.SubprocessError, OSError) as error:
            sys.exit(f"no Kafka: {error}{tail(data)}")
        try:
            for listener in ("port", "sasl", "ssl", "sasl_ssl") if asked.pem else ("port", "sasl"):
                await_port(process, ports[listener])
            if asked.attached:
                told = {name: f"127.0.0.1:{number}" for name, number in ports.items()} | {"pid": process.pid}
                sys.stdout.write(json.dumps(told) + "\n")
                sys.stdout.flush()
                sys.stdin.read()
            else:
                seconds = time.monotonic() - begun
                sys.stdout.write(f"Kafka listens at 127.0.0.1:{port} after {seconds:.1f} s; stop it with Ctrl-C\n")
                sys.stdout.flush()
                process.wait()
        except Unavailable as error:
            sys.exit(f"no Kafka: {error}{tail(data)}")
        except KeyboardInterrupt:
            pass
        finally:
            stop(process)


if __name__ == "__main__":
    main()
