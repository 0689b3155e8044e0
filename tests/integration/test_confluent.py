"""What librdkafka alone does, and what is done about it."""

import threading
import time

import pytest

from models.records import Outgoing, Position
from producers.port import DeliveryFailed
from shared.clients import client_named
from shared.logs import KafkaLog
from shared.numbered import BEGINNING, read

pytestmark = pytest.mark.kafka


class Deaf:
    """A client whose call for offsets forgets its limit, as librdkafka's does once the coordinator was away."""

    def __init__(self, producer):
        self._producer = producer
        self.heard = threading.Event()

    def __getattr__(self, name):
        return getattr(self._producer, name)

    def send_offsets_to_transaction(self, *_):
        self.heard.wait(60)


def test_a_call_that_never_returns_is_given_up_and_the_next_writer_goes_on(broker):
    log = KafkaLog(broker, client_named("confluent"), patience=2.0)
    writer = log.writer("worker")
    deaf = writer._producer = Deaf(writer._producer)
    past = Position(group=log.connection.prefix + "group", offsets={("plain", 0): 0})
    begun = time.monotonic()
    try:
        with pytest.raises(DeliveryFailed, match="for the offsets"):
            writer.publish([Outgoing("other", b"k", b"never")], past)
        writer.close()
        assert time.monotonic() - begun < 10
        log.writer("worker").publish([Outgoing("other", b"k", b"next")], past)
        assert [record.value for record in read(log.reader("other", start=BEGINNING), 1)] == [b"next"]
    finally:
        deaf.heard.set()
        log.close()
