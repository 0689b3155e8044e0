"""The embedded log as its own tests use it."""

from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE
from producers.topics import Topic
from shared.numbered import BEGINNING, values


def everything(log, *topics):
    return values(log.reader(*topics, start=BEGINNING).poll(1_000_000, 0))


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


def writer_of(path, **topic):
    clock = Clock()
    return SqliteWriter(path / FILE, topics={"plain": Topic(name="plain", **topic)}, clock=clock), clock
