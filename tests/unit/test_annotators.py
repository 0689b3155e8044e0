from threading import Event

import pytest

from consumers.sqlite import SqliteReader
from models.coding import encode, read
from models.messages import Because, Label, Product, Query
from models.records import Outgoing
from producers.sqlite import SqliteWriter
from producers.topics import topics
from service.annotators import Annotated, annotate
from service.crowd import Crowd, Habits, answer, chosen

TRUTH = {f"p{i}": frozenset({"a"} if i % 2 else {"b"}) for i in range(60)}


class Stream:
    """An embedded log and a clock that moves by a second each time it is read."""

    def __init__(self, path) -> None:
        self.path = path / "log.sqlite"
        self.now = 1e9
        self.readers: list[SqliteReader] = []
        self.writer = SqliteWriter(self.path, topics=topics(partitions=3), durable=False)

    def clock(self) -> float:
        self.now += 1.0
        return self.now

    def ask(self, *numbers: int, expires_at: float = 2e9) -> None:
        self.writer.publish(
            [Outgoing("queries", f"q{i}".encode(), encode(query(i, expires_at))) for i in numbers], None
        )

    def write(self, key: bytes, value: bytes | None) -> None:
        self.writer.publish([Outgoing("queries", key, value)], None)

    def annotators(self, crowd: Crowd, *, idle: float | None = 3.0, stop: Event | None = None):
        self.readers.append(SqliteReader(self.path, topics=["queries"], group="annotators"))
        return annotate(
            self.readers[-1], self.writer, crowd, stop=stop or Event(), clock=self.clock, idle=idle, pause=0.0
        )

    def labels(self) -> list[Label]:
        reader = SqliteReader(self.path, topics=["labels"], group=f"checker-{self.now}")
        found = [read(Label, record) for record in reader.poll(100_000, 0.0)]
        reader.close()
        return found


def query(i: int, expires_at: float = 2e9) -> Query:
    return Query(
        id=f"q{i}",
        arrival=f"products/0/{i}",
        product=Product(id=f"p{i}", title="x"),
        ask=["a", "b"],
        chance=0.5,
        scores=b"",
        model=1,
        policy="random",
        because=Because(disagreement={}, combined=0.0, floor=0.1, scale=1.0, threshold={}),
        priority=0.5,
        asked_at=1e9,
        expires_at=expires_at,
    )


@pytest.fixture
def stream(tmp_path):
    stream = Stream(tmp_path)
    yield stream
    for client in (stream.writer, *stream.readers):
        client.close()


def said(label: Label) -> tuple[str, str, dict[str, bool | None], bool]:
    return label.query, label.annotator, dict(label.answers), label.skipped


def test_every_query_is_answered_once_from_the_truth(stream):
    stream.ask(*range(60))
    *_, done = stream.annotators(Crowd(TRUTH, Habits(annotators=4, delay=20.0)))

    expected = {(f"q{i}", chosen(f"q{i}", Habits(annotators=4))[0], i % 2 == 1) for i in range(60)}
    labels = stream.labels()
    assert {(label.query, label.annotator, label.answers["a"]) for label in labels} == expected
    assert len(labels) == 60
    assert done == Annotated(queries=60, labels=60, answers=120)


def test_with_overlap_several_annotators_answer_the_same_query(stream):
    stream.ask(*range(10))
    list(stream.annotators(Crowd(TRUTH, Habits(annotators=4, overlap=3, delay=5.0))))

    assert len({(label.query, label.annotator) for label in stream.labels()}) == 30


def test_labels_come_late_and_out_of_order(stream):
    stream.ask(*range(60))
    list(stream.annotators(Crowd(TRUTH, Habits(delay=50.0))))
    labels = stream.labels()

    assert [label.query for label in labels] != [f"q{i}" for i in range(60)]
    assert len({label.at for label in labels}) > 10


def test_a_withdrawn_query_is_not_answered(stream):
    stream.ask(1, 2)
    stream.write(b"q1", None)
    *_, done = stream.annotators(Crowd(TRUTH, Habits(delay=100.0)))

    assert [label.query for label in stream.labels()] == ["q2"]
    assert done.withdrawn == 1


def test_an_expired_query_is_counted_and_not_answered(stream):
    stream.ask(1, expires_at=stream.now)
    *_, done = stream.annotators(Crowd(TRUTH, Habits()))

    assert stream.labels() == []
    assert done == Annotated(queries=1, expired=1)


def test_a_product_the_truth_does_not_know_is_skipped_and_counted(stream):
    stream.ask(1)
    *_, done = stream.annotators(Crowd({}, Habits()))

    assert [said(label) for label in stream.labels()] == [("q1", "a-1", {}, True)]
    assert done == Annotated(queries=1, labels=1, skipped=1, unknown=1)


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"{}", b"[" * 10_000, b'{"id": 5}'])
def test_what_is_not_a_query_is_counted_and_the_others_are_answered(stream, value):
    stream.write(b"q0", value)
    stream.ask(1)
    *_, done = stream.annotators(Crowd(TRUTH, Habits()))

    assert [label.query for label in stream.labels()] == ["q1"]
    assert done.malformed == 1


def test_a_withdrawal_without_a_key_changes_nothing(stream):
    stream.write(b"\xff", None)
    stream.write(b"", None)
    stream.ask(1)
    *_, done = stream.annotators(Crowd(TRUTH, Habits()))

    assert done == Annotated(queries=1, labels=1, answers=2)


def test_idle_annotators_end_and_busy_ones_do_not(stream):
    began = stream.now
    stream.ask(1)
    list(stream.annotators(Crowd(TRUTH, Habits(delay=200.0, seed=3)), idle=5.0))

    assert len(stream.labels()) == 1
    assert stream.now - began > 5.0


def test_stop_ends_them(stream):
    stream.ask(1)
    stop = Event()
    steps = stream.annotators(Crowd(TRUTH, Habits()), idle=None, stop=stop)
    next(steps)
    stop.set()

    assert list(steps) == []


@pytest.mark.parametrize("after", [1, 2, 5, 12])
def test_annotators_that_die_lose_no_query_and_say_nothing_else_afterwards(stream, after):
    habits = Habits(annotators=3, overlap=2, accuracy=0.7, unsure=0.1, skip=0.1, delay=30.0)
    stream.ask(*range(60))
    steps = stream.annotators(Crowd(TRUTH, habits))
    for _ in range(after):
        next(steps)
    steps.close()  # as a crash: what was polled and not published past comes again
    list(stream.annotators(Crowd(TRUTH, habits)))

    given = {(label.query, label.annotator): said(label) for label in stream.labels()}
    expected = {
        (f"q{i}", name): said(answer(query(i), TRUTH[f"p{i}"], name, habits, at=1e9))
        for i in range(60)
        for name in chosen(f"q{i}", habits)
    }
    assert given == expected
    assert all(said(label) == given[label.query, label.annotator] for label in stream.labels())


def test_what_is_answered_for_good_is_not_answered_again(stream):
    stream.ask(*range(60))
    list(stream.annotators(Crowd(TRUTH, Habits())))
    list(stream.annotators(Crowd(TRUTH, Habits())))

    assert len(stream.labels()) == 60
