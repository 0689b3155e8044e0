"""Any order of publishing, polling, dying and coming back agrees with plain lists."""

import time

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from models.records import Outgoing, Position

PLACES = [("plain", 0), ("wide", 0), ("wide", 1), ("wide", 2)]
BATCH = st.lists(st.sampled_from(PLACES), min_size=1, max_size=6)


class LogMachine(RuleBasedStateMachine):
    """One writer and one member of a group on `open_log`'s log, against lists by partition."""

    open_log = None

    def __init__(self):
        super().__init__()
        self.log = type(self).open_log()
        self.writer = self.log.writer()
        self.reader = None
        self.sent = 0
        self.written = {place: [] for place in [*PLACES, ("other", 0)]}
        self.past = dict.fromkeys(PLACES, 0)
        self.polled = dict.fromkeys(PLACES, 0)

    def outgoing(self, places):
        records = []
        for topic, partition in places:
            records.append(Outgoing(topic, b"k", b"%d" % self.sent, partition))
            self.sent += 1
        return records

    def keep(self, records):
        for record in records:
            self.written[record.topic, record.partition].append(record.value)

    @rule(places=BATCH)
    def publish(self, places):
        records = self.outgoing(places)
        self.writer.publish(records, None)
        self.keep(records)

    @rule(places=BATCH)
    def publish_half_and_die(self, places):
        self.log.publish_half(self.outgoing(places))

    @rule(limit=st.integers(1, 20))
    def poll(self, limit):
        self.reader = self.reader or self.log.reader("plain", "wide")
        waiting = sum(len(self.written[place]) - self.polled[place] for place in PLACES)
        deadline = time.monotonic() + 20
        records = self.reader.poll(limit, 0.2 if waiting else 0)
        while waiting and not records and time.monotonic() < deadline:
            records = self.reader.poll(limit, 0.2)
        assert bool(records) == bool(waiting), (self.reader.position(), self.reader.lag())
        assert len(records) <= limit
        for record in records:
            place = record.topic, record.partition
            assert record.value == self.written[place][self.polled[place]]
            self.polled[place] += 1

    @rule(count=st.integers(0, 5))
    def publish_past(self, count):
        if self.reader is not None:
            records = self.outgoing([("other", 0)] * count)
            self.writer.publish(records, self.reader.position())
            self.keep(records)
            self.past |= self.polled

    @rule()
    def reader_dies(self):
        if self.reader is not None:
            self.reader.close()
        self.reader = None
        self.polled = dict(self.past)

    @rule()
    def writer_dies(self):
        self.writer.close()
        self.writer = self.log.writer()

    def teardown(self):
        watch = self.log.reader("plain", "wide", "other", group="watch", start=Position(group="watch"))
        seen = {place: [] for place in self.written}
        deadline = time.monotonic() + 15
        while seen != self.written and time.monotonic() < deadline:
            for record in watch.poll(1_000, 0.1):
                seen[record.topic, record.partition].append(record.value)
        assert seen == self.written
        self.log.close()


def test_a_log_agrees_with_plain_lists(open_log, request):
    on_kafka = "sqlite" not in request.node.name

    class Machine(LogMachine):
        pass

    Machine.open_log = staticmethod(open_log)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=4 if on_kafka else 40,
            stateful_step_count=15 if on_kafka else 30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
