"""Numbers on a log: written, read, copied from `wide` to `other`, and how often each came out there."""

import threading
import time
from collections import Counter

from consumers.port import LogUnavailable
from models.records import Outgoing, Position
from producers.port import DeliveryFailed

BEGINNING = Position(group="own")


def read(reader, count, seconds=20.0):
    """Poll until `count` records have come, and return all that came."""
    records = []
    deadline = time.monotonic() + seconds
    while len(records) < count and time.monotonic() < deadline:
        records += reader.poll(1_000, 0.2)
    return records


def numbered(first, last, topic="plain"):
    return [Outgoing(topic, b"key", b"%d" % number) for number in range(first, last)]


def values(records):
    return [record.value for record in records]


def feed(log, count):
    log.writer("feed").publish([Outgoing("wide", None, b"%d" % n, n % 3) for n in range(count)], None)


def echoed(log, count):
    """How often each number came out, for a reader of committed records."""
    watch = log.reader("other", group="watch", start=BEGINNING)
    return Counter(int(record.value) for record in [*read(watch, count), *watch.poll(1_000, 0.5)])


def work(log, name, ended, *, stall=None, **settings):
    """Copy from `wide` to `other` as the service does: on any doubt both clients are dropped and opened again."""
    rebuilt = 0
    while not ended.is_set():
        writer = reader = None
        try:
            prefix, client = log.connection.prefix, log.client
            writer = client.writer(log.connection, name=f"{prefix}{name}", topics=log.topics)
            reader = client.reader(log.connection, topics=["wide"], group=f"{prefix}workers", **settings)
            while not ended.is_set():
                if records := reader.poll(10, 0.1):
                    if stall is not None:
                        stall()
                    writer.publish([Outgoing("other", r.key, r.value) for r in records], reader.position())
        except (DeliveryFailed, LogUnavailable):
            rebuilt += 1
        finally:
            for client in (reader, writer):
                if client is not None:
                    client.close()
    return rebuilt


def start(*arguments, **settings):
    rebuilt = []
    thread = threading.Thread(target=lambda: rebuilt.append(work(*arguments, **settings)), daemon=True)
    thread.start()
    return thread, rebuilt


def await_echo(log, count, seconds=40.0):
    watch = log.reader("other", group="await", start=BEGINNING)
    return len(read(watch, count, seconds))
