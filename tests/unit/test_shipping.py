"""The model on its way: what arrives says the same to the bit, or nothing new arrives."""

from dataclasses import replace

import pytest

from models.shipping import Receiver, Shipper
from shared.lessons import SMALL, lesson, taught
from shared.wire import ORDERS, Topic, said

pytestmark = pytest.mark.usefixtures("one_thread")

RIVER = replace(SMALL, kind="river", river_members=3, river_bits=12)
KINDS = {"askance": SMALL, "no linear path": replace(SMALL, table_megabytes=1), "river": RIVER}


@pytest.fixture(params=KINDS)
def settings(request):
    return KINDS[request.param]


def test_a_full_shipment_says_the_same_to_the_bit(settings):
    snapshot, topic, receiver = taught(6, settings).snapshot(), Topic(), Receiver()

    received = receiver.take(topic.publish(Shipper().ship(snapshot, ORDERS)))
    assert said(received.snapshot) == said(snapshot)
    assert received.orders == ORDERS


def test_increments_say_the_same_to_the_bit(settings):
    learner, topic, shipper, receiver = taught(6, settings), Topic(), Shipper(), Receiver()
    for number in range(7, 30):
        learner.update(number, [lesson(number * 5 + i) for i in range(3)])
        received = receiver.take(topic.publish(shipper.ship(learner.snapshot(), ORDERS)))

        assert said(received.snapshot) == said(learner.snapshot())
