"""Products a second of several `askance score` on one Kafka: their pace over a backlog that was there before."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from kept import ONE_THREAD
from offers import offers, records
from step import taught
from taken import with_started

from consumers.port import Consumer
from models.records import Outgoing, Position, Record
from models.shipping import Orders, Shipper
from producers.port import Producer
from service.assembly import Clients, clients
from service.settings import Settings, read_settings

OUTPUTS: Final = 60
ANSWERS: Final = 640
PARTITIONS: Final = 8
FIRST: Final = 4_000  # products that show that all have joined
TICK: Final = 0.2  # seconds between two looks at the group's past
COUNTED: Final = (0.15, 0.85)  # of the backlog: the pace between
LIMIT: Final = 300.0  # seconds that anything may take


def replicas(count: int, kafka: str, client: str, products: int) -> dict[str, Any]:
    """So many scorers of one group, each a process of one thread, over a backlog of so many products."""
    served = taught(offers(ANSWERS, size=260, seed=0), OUTPUTS)
    arriving = records(offers(products // 10, size=260, seed=1))
    prefix = f"replicas-{uuid.uuid4().hex[:8]}."
    changes = {
        "kafka.bootstrap": kafka, "kafka.client": client, "kafka.group": prefix + "scorers", "stream": prefix + "s",
        "log.prefix": prefix, "log.partitions": PARTITIONS, "log.batch": 2_000, "http.port": 0,
        "asking.seed": "a benchmark's seed of the draws",
    }  # fmt: skip
    settings = read_settings(None, changes)
    reach = clients(settings)
    orders = Orders(share=0.1, factor=1.0, finished=(), scale=1.0, yardstick=False, encoder="", made_at=time.time())
    with (
        tempfile.TemporaryDirectory(prefix="askance-replicas-") as temporary,
        closing(reach.write("replicas")) as writer,
        closing(past_of(reach, settings)) as group,
    ):
        writer.publish(Shipper().ship(served.snapshot, orders), None)
        with scorers(count, changes, Path(temporary)) as running:
            send(writer, arriving[:FIRST])
            until(lambda: done(group) >= FIRST, running)
            shared(running, count)
            for process in running:
                process.send_signal(signal.SIGSTOP)
            for _ in range(10):
                send(writer, arriving)
            for process in running:
                process.send_signal(signal.SIGCONT)
            return {"replicas": count, "client": client, **pace(group, running, FIRST, 10 * len(arriving))}


def past_of(reach: Clients, settings: Settings) -> Consumer:
    name = settings.kafka.group
    return reach.read(("products",), name, Position(group=name))


@contextmanager
def scorers(count: int, changes: dict[str, Any], folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    running = []
    try:
        for number in range(count):
            words = ["score", "--data-dir", str(folder / f"{number}"), "--set", f"kafka.instance={number}"]
            words += [f"--set={key}={value}" for key, value in changes.items()]
            with (folder / f"{number}.log").open("wb") as log:
                command = [sys.executable, "-m", "service", *words]
                running.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=log))
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def send(writer: Producer, products: list[Record]) -> None:
    for first in range(0, len(products), 5_000):
        part = products[first : first + 5_000]
        writer.publish([Outgoing("products", one.key, one.value) for one in part], None)


def until(holds: Callable[[], bool], running: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        if any(process.poll() is not None for process in running) or time.monotonic() > deadline:
            raise SystemExit("a scorer ended, or nothing goes on")
        time.sleep(TICK)


def shared(running: list[subprocess.Popen[bytes]], count: int) -> None:
    """Give the group the time to share its partitions anew; each that joins begins another rebalance."""
    until_ = time.monotonic() + 4.0 + 3.0 * count
    until(lambda: time.monotonic() > until_, running)


def done(group: Consumer) -> int:
    """Products that the group has behind it, and the marks that end transactions."""
    return sum(group.committed().offsets.values())


def pace(group: Consumer, running: list[subprocess.Popen[bytes]], before: int, backlog: int) -> dict[str, Any]:
    """Products a second of the middle of the backlog, by the group's past, and the scorers' processor time for it."""
    begun = moment(group, running)
    marks = []
    for share in COUNTED:
        wanted = begun[1] + share * backlog
        until(lambda wanted=wanted: done(group) >= wanted, running)
        marks.append(moment(group, running))
    (began, first, used), (ended, last, spent) = marks
    products = last - first
    return {
        "products_per_second": round(products / (ended - began)),
        "microseconds_of_processor": round(1e6 * sum(b - a for a, b in zip(used, spent, strict=True)) / products, 1),
        "cores_of_each": [round((b - a) / (ended - began), 2) for a, b in zip(used, spent, strict=True)],
        "products": backlog + before,
    }


def moment(group: Consumer, running: list[subprocess.Popen[bytes]]) -> tuple[float, int, list[float]]:
    return time.perf_counter(), done(group), [with_started(process.pid) for process in running]
