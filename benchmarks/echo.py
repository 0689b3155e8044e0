"""Transactional echo through our own adapters: read a batch, publish it past its position; records per second.

python benchmarks/echo.py --kafka 127.0.0.1:9092 --client kafka-python confluent --repeats 5
python benchmarks/echo.py --sqlite FOLDER
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from consumers.confluent import ConfluentReader
from consumers.kafka import KafkaReader
from consumers.port import Consumer
from consumers.sqlite import SqliteReader
from models.records import Outgoing
from producers.confluent import ConfluentWriter
from producers.connection import Connection
from producers.kafka import KafkaWriter
from producers.port import Producer
from producers.provision import provision
from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE
from producers.topics import Topic

CLIENTS = {"kafka-python": (KafkaReader, KafkaWriter), "confluent": (ConfluentReader, ConfluentWriter)}

Log = tuple[Callable[[], Producer], Callable[[str], Consumer]]


def open_kafka(servers: str, client: str, partitions: int, retry_backoff: float) -> Log:
    reader_of, writer_of = CLIENTS[client]
    connection = Connection(servers=servers.split(","), prefix=f"echo-{uuid.uuid4().hex[:8]}.")
    made = {name: Topic(name=name, partitions=partitions) for name in ("in", "out")}
    topics = provision(connection, made)
    names = (f"{connection.prefix}{n}" for n in range(1_000))

    def writer() -> Producer:
        return writer_of(connection, name=next(names), topics=topics, retry_backoff=retry_backoff)

    def reader(group: str) -> Consumer:
        return reader_of(connection, topics=["in"], group=connection.prefix + group)

    return writer, reader


def open_sqlite(folder: Path, partitions: int, *, durable: bool) -> Log:
    made = {name: Topic(name=name, partitions=partitions) for name in ("in", "out")}
    path = Path(tempfile.mkdtemp(dir=folder)) / FILE

    def writer() -> Producer:
        return SqliteWriter(path, topics=made, durable=durable)

    def reader(group: str) -> Consumer:
        return SqliteReader(path, topics=["in"], group=group)

    return writer, reader


def fill(writer: Producer, count: int, size: int) -> None:
    value = os.urandom(size // 2).hex().encode()
    records = [Outgoing("in", b"key %d" % n, value) for n in range(count)]
    for start in range(0, count, 5_000):
        writer.publish(records[start : start + 5_000], None)


def echo(writer: Producer, reader: Consumer, count: int, batch: int, *, by_key: bool) -> tuple[int, int, float, float]:
    """Return records, transactions, wall and processor seconds from the first record on."""
    done = transactions = 0
    begun = spent = 0.0
    while done < count:
        records = reader.poll(batch, 5.0)
        if not records:
            continue
        if not begun:
            begun, spent = time.perf_counter(), time.process_time()
        outgoing = [Outgoing("out", r.key, r.value, None if by_key else r.partition) for r in records]
        writer.publish(outgoing, reader.position())
        done += len(records)
        transactions += 1
    return done, transactions, time.perf_counter() - begun, time.process_time() - spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kafka", help="host:port of a broker")
    parser.add_argument("--client", nargs="+", choices=CLIENTS, default=["kafka-python"])
    parser.add_argument("--repeats", type=int, default=1, help="of each row, the clients in turn; medians are told")
    parser.add_argument("--sqlite", type=Path, help="folder for a log file")
    parser.add_argument("--fast", action="store_true", help="SQLite without waiting for the disk")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--batches", type=int, nargs="+", default=[500, 2_000])
    parser.add_argument("--retry-backoff", type=float, default=0.02)
    parser.add_argument("--by-key", action="store_true", help="let the log choose the partition by key")
    asked = parser.parse_args()
    logs: dict[str, Log] = {}
    if asked.kafka:
        for client in asked.client:
            logs[client] = open_kafka(asked.kafka, client, asked.partitions, asked.retry_backoff)
    else:
        folder = asked.sqlite or Path(tempfile.gettempdir())
        logs["sqlite"] = open_sqlite(folder, asked.partitions, durable=not asked.fast)
    for client, (open_writer, _) in logs.items():
        begun = time.perf_counter()
        fill(open_writer(), asked.count, asked.size)
        print(f"{client}: {asked.count / (time.perf_counter() - begun):,.0f} published a second", file=sys.stderr)
    figures: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for repeat in range(asked.repeats):
        for batch in asked.batches:
            for client, (open_writer, open_reader) in logs.items():
                reader, writer = open_reader(f"echo-{batch}-{repeat}"), open_writer()
                done, transactions, seconds, spent = echo(writer, reader, asked.count, batch, by_key=asked.by_key)
                figures.setdefault((client, batch), []).append(
                    (done / seconds, transactions / seconds, spent / done * 1e6)
                )
                reader.close()
                writer.close()
    rows = [
        {
            "log": client,
            "batch": batch,
            "records_per_second": round(statistics.median(f[0] for f in of)),
            "from_to": [round(min(f[0] for f in of)), round(max(f[0] for f in of))],
            "transactions_per_second": round(statistics.median(f[1] for f in of), 1),
            "microseconds_of_processor_per_record": round(statistics.median(f[2] for f in of), 1),
        }
        for (client, batch), of in figures.items()
    ]
    json.dump({"size": asked.size, "count": asked.count, "repeats": asked.repeats, "echo": rows}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
