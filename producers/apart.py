"""Writing to Kafka from a process of its own: kafka-python takes turns with the model where they share an interpreter.

Run as a program, this file is that process. It imports what writing needs, and no model.
"""

import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from logging.handlers import QueueHandler
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO, Final

from models.records import Outgoing, Position
from producers.connection import Connection
from producers.kafka import KafkaWriter
from producers.port import DeliveryFailed, LogRefused, LogUnavailable, RecordRefused
from producers.topics import Topic

STARTING: Final = 30.0
"""Seconds that the process gets to start, on the busiest machine."""

MORE: Final = 5.0
"""Seconds beyond its own patience after which it is given up."""

ENDING: Final = 1.0
"""Seconds that it gets to end by itself."""

TOLD: Final = (DeliveryFailed, LogRefused, LogUnavailable, RecordRefused)


class ApartWriter:
    """A KafkaWriter in a process of its own, with the same promises; who waits for it leaves the interpreter to others.

    That process ends at once when this one does, however that is, and publishes nothing that it was not handed whole.
    It does not heed SIGINT and SIGTERM, which all of a group may get: `close` ends it.
    """

    def __init__(self, connection: Connection, *, name: str, topics: Mapping[str, Topic], **settings: Any) -> None:
        """Start the process and open the writer there; `settings` are further ones of KafkaWriter.

        Raises:
            LogUnavailable: no broker answers within the connection's patience, or the process does not come up.
            LogRefused: a setting, the login or the rights are wrong.

        """
        self._patience = connection.patience
        self._broken = ""
        self._ours, theirs = socket.socketpair()
        self._answers = self._ours.makefile("rb")
        with theirs:
            self._process = _started(theirs)
        plain = replace(connection, security=dict(connection.security))
        try:
            self._ask((plain, {"name": name, "topics": dict(topics), **settings}), STARTING + 2 * self._patience)
        except DeliveryFailed as error:
            raise LogUnavailable(str(error)) from error
        except BaseException:
            self.close()
            raise

    def publish(self, records: Sequence[Outgoing], past: Position | None) -> None:
        if self._broken:
            raise DeliveryFailed(f"this writer is to be dropped, since {self._broken}")
        place = None if past is None else (past.group, dict(past.offsets), past.membership)
        self._ask((list(map(tuple, records)), place), self._patience + MORE)

    def _ask(self, call: tuple[Any, Any], patience: float) -> None:
        """Raise what was raised there, or DeliveryFailed if nobody is there any more."""
        until = time.monotonic() + patience
        try:
            self._ours.settimeout(patience)
            self._ours.sendall(pickle.dumps(call, pickle.HIGHEST_PROTOCOL))
            self._ours.settimeout(max(0.001, until - time.monotonic()))
            answer, said = pickle.load(self._answers)  # noqa: S301 - from our own process
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            self._process.kill()  # it may stand still, or answer when nobody asks
            self.close()
            self._broken = f"the writer's process has ended or does not answer ({error or type(error).__name__})"
            raise DeliveryFailed(self._broken) from error
        for record in said:
            if (log := logging.getLogger(record.name)).isEnabledFor(record.levelno):
                log.handle(record)
        if answer is not None:
            raise answer

    def close(self) -> None:
        self._broken = self._broken or "it is closed"
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for an answer
        self._answers.close()
        self._ours.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING)
        self._process.kill()
        self._process.wait()


def _started(theirs: socket.socket) -> "subprocess.Popen[bytes]":
    """Start the process, which finds its packages where this one does."""
    found = os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}  # noqa: PTH109
    try:
        return subprocess.Popen([sys.executable, "-P", "-m", __name__], stdin=theirs.fileno(), env=found)  # noqa: S603
    except OSError as error:
        raise LogUnavailable(f"the writer's process cannot be started: {error}") from error


def main() -> None:
    """Open the writer that is asked for and publish what comes, until the other end is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    said, calls = SimpleQueue[logging.LogRecord](), SimpleQueue[tuple[Any, Any]]()
    logging.basicConfig(level=logging.WARNING, handlers=[QueueHandler(said)])
    ours = socket.socket(fileno=sys.stdin.fileno())
    Thread(target=_listen, args=(ours.makefile("rb"), calls), name="listening", daemon=True).start()
    writer: KafkaWriter | None = None
    while True:
        call, error = calls.get(), None
        try:
            if writer is None:
                writer = KafkaWriter(call[0], **call[1])
            else:
                _publish(writer, *call)
        except TOLD as raised:
            error = raised
        ours.sendall(pickle.dumps((error, [said.get() for _ in range(said.qsize())])))


def _publish(writer: KafkaWriter, records: list[tuple[Any, ...]], place: tuple[Any, ...] | None) -> None:
    past = None if place is None else Position(group=place[0], offsets=place[1], membership=place[2])
    writer.publish([Outgoing(*record) for record in records], past)


def _listen(incoming: BinaryIO, calls: "SimpleQueue[tuple[Any, Any]]") -> None:
    """Hand on what has come whole; end this process when no more can come, whatever it is doing."""
    try:
        while True:
            calls.put(pickle.load(incoming))  # noqa: S301 - from the process that started this one
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
