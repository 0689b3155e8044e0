"""The logs that tests run against."""

import contextlib
import gc
import itertools
import uuid
import warnings

with warnings.catch_warnings():  # the client reads its own files in a way that Python has deprecated
    warnings.filterwarnings("ignore", r"(read|open)_text is deprecated", DeprecationWarning)
    import kafka  # noqa: F401 - imported here once, for all

from consumers.sqlite import SqliteReader
from models.records import Position
from producers.connection import Connection
from producers.provision import provision
from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE
from producers.topics import Topic

TOPICS = {
    topic.name: topic
    for topic in (
        Topic(name="plain"),
        Topic(name="other"),
        Topic(name="wide", partitions=3),
        Topic(name="compact", compacted=True),
    )
}


class SqliteLog:
    """The embedded log in a folder of its own; whoever opens is closed at the end."""

    name = "sqlite"

    def __init__(self, folder, topics=TOPICS):
        self.path = folder / FILE
        self.topics = topics
        self._open = contextlib.ExitStack()

    def writer(self, _name=None, **settings):
        writer = SqliteWriter(self.path, topics=self.topics, **settings)
        self._open.callback(writer.close)
        return writer

    def reader(self, *topics, group="group", start=None, **settings):
        reader = SqliteReader(self.path, topics=topics, group=group, start=start, **settings)
        self._open.callback(reader.close)
        return reader

    def take_over(self, topic, _older):
        """Open a reader that has what the older one of the same group had."""
        return self.reader(topic)

    def publish_half(self, records):
        """Write `records` as a process does that dies before its publish returns."""
        writer = self.writer()
        writer._db.execute("BEGIN IMMEDIATE")
        writer._append(records)
        writer._db.close()

    def close(self):
        self._open.close()


class KafkaLog:
    """Topics of our own on a real broker; whoever opens is closed at the end."""

    name = "kafka"

    def __init__(self, servers, client, topics=TOPICS, patience=15.0):
        self.client = client
        self.connection = Connection(servers=[servers], prefix=f"t{uuid.uuid4().hex[:12]}.", patience=patience)
        self.topics = provision(self.connection, topics)
        self._names = itertools.count()
        self._open = contextlib.ExitStack()

    def writer(self, name=None, **settings):
        name = name or f"writer-{next(self._names)}"
        writer = self.client.writer(self.connection, name=self.connection.prefix + name, topics=self.topics, **settings)
        self._open.callback(writer.close)
        return writer

    def reader(self, *topics, group="group", start=None, **settings):
        group = self.connection.prefix + group
        if start is not None:
            start = Position(group=group, offsets=start.offsets)
        # A member that could not say goodbye holds up its group no longer than its session.
        made_with = {"session": 6.0} | settings
        reader = self.client.reader(self.connection, topics=topics, group=group, start=start, **made_with)
        self._open.callback(reader.close)
        return reader

    def take_over(self, topic, older):
        """Open a reader that has what the older one of the same group had."""
        older.close()
        newer = self.reader(topic)
        while len(newer.position().offsets) < self.topics[topic].partitions:
            newer.poll(100, 0.1)
        return newer

    def publish_half(self, records):
        """Write `records` as a process does that dies before its publish returns."""
        self.client.send_half(self.writer("half"), records)
        self.writer("half")  # as the restarted process does

    def close(self):
        self._open.close()
        collect()


def collect():
    """Collect the sockets that the client leaves behind, which are no failure of a test without Kafka."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
