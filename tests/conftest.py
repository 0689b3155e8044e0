"""The logs that tests run against: the embedded one always, a real Kafka where one can be had."""

import contextlib

import pytest

from consumers.sqlite import SqliteReader
from producers.sqlite import FILE, SqliteWriter
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

    def writer(self, **settings):
        writer = SqliteWriter(self.path, topics=self.topics, **settings)
        self._open.callback(writer.close)
        return writer

    def reader(self, *topics, group="group", start=None):
        reader = SqliteReader(self.path, topics=topics, group=group, start=start)
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


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request, tmp_path):
    if request.param == "kafka":
        pytest.skip("to come")
    log = SqliteLog(tmp_path)
    yield log
    log.close()
