"""What librdkafka alone does, and what is done about it."""

import threading
import time

import pytest

from models.records import Outgoing, Position
from producers.port import DeliveryFailed
from shared.clients import client_named
from shared.logs import KafkaLog
from shared.numbered import BEGINNING, numbered, read

pytestmark = pytest.mark.kafka


class Forgetful:
    """A client that does not know a partition for some questions, as librdkafka at times on a broker just started."""

    def __init__(self, consumer, questions):
        self._consumer = consumer
        self.left = questions

    def offsets_for_times(self, *arguments):
        from confluent_kafka import KafkaError, KafkaException

        if self.left:
            self.left -= 1
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION))
        return self._consumer.offsets_for_times(*arguments)


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


@pytest.mark.parametrize(("questions", "known"), [(3, True), (10_000, False)])
def test_offsets_of_a_partition_that_the_client_does_not_know_yet_are_asked_for_again(broker, questions, known):
    log = KafkaLog(broker, client_named("confluent"))
    log.writer().publish(numbered(0, 2), None)
    reader = log.reader("plain", start=BEGINNING)
    forgetful = Forgetful(reader._consumer, questions)
    from confluent_kafka import KafkaException

    from consumers.librdkafka import END, asked_offsets

    place = (log.connection.prefix + "plain", 0)
    try:
        if known:
            assert asked_offsets(forgetful, [place], END, patience=5.0)[place] >= 2
        else:
            with pytest.raises(KafkaException, match="Unknown partition"):
                asked_offsets(forgetful, [place], END, patience=0.3)
            assert forgetful.left > questions - 10
    finally:
        log.close()
