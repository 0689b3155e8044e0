"""What librdkafka alone does, and what is done about it."""

import threading
import time
from types import SimpleNamespace

import pytest

from models.records import Outgoing, Position
from producers.port import DeliveryFailed
from shared.clients import client_named
from shared.logs import KafkaLog
from shared.numbered import BEGINNING, numbered, read

pytestmark = pytest.mark.kafka


class Electing:
    """A client that gets no offsets for some questions, as librdkafka at times on a broker just started or woken."""

    def __init__(self, consumer, questions, error):
        self._consumer, self._error = consumer, error
        self.left = questions

    def offsets_for_times(self, places, patience):
        from confluent_kafka import KafkaError, KafkaException

        if self.left:
            self.left -= 1
            error = KafkaError(getattr(KafkaError, self._error))
            if error.code() < 0:  # the client's own
                raise KafkaException(error)
            return [SimpleNamespace(topic=place.topic, partition=place.partition, error=error) for place in places]
        return self._consumer.offsets_for_times(places, patience)


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


@pytest.mark.parametrize("error", ["_UNKNOWN_PARTITION", "NOT_LEADER_FOR_PARTITION", "UNKNOWN_LEADER_EPOCH"])
@pytest.mark.parametrize(("questions", "told"), [(3, True), (10_000, False)])
def test_offsets_of_a_partition_whose_leader_is_chosen_are_asked_for_again(broker, questions, told, error):
    log = KafkaLog(broker, client_named("confluent"))
    log.writer().publish(numbered(0, 2), None)
    reader = log.reader("plain", start=BEGINNING)
    electing = Electing(reader._consumer, questions, error)
    from confluent_kafka import KafkaError, KafkaException

    from consumers.librdkafka import END, asked_offsets

    place = (log.connection.prefix + "plain", 0)
    try:
        if told:
            assert asked_offsets(electing, [place], END, patience=5.0)[place] >= 2
        else:
            with pytest.raises(KafkaException) as met:
                asked_offsets(electing, [place], END, patience=0.3)
            assert met.value.args[0].code() == getattr(KafkaError, error)
            assert electing.left > questions - 10
    finally:
        log.close()


def test_a_question_for_offsets_that_is_refused_is_not_asked_again(broker):
    log = KafkaLog(broker, client_named("confluent"))
    log.writer().publish(numbered(0, 2), None)
    reader = log.reader("plain", start=BEGINNING)
    refusing = Electing(reader._consumer, 2, "TOPIC_AUTHORIZATION_FAILED")
    from confluent_kafka import KafkaException

    from consumers.librdkafka import END, asked_offsets

    try:
        with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
            asked_offsets(refusing, [(log.connection.prefix + "plain", 0)], END, patience=5.0)
        assert refusing.left == 1
    finally:
        log.close()
