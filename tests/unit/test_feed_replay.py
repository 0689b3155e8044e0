import msgpack
import pytest

from consumers.sqlite import SqliteReader
from models.coding import decode, read
from models.messages import Product
from models.records import Outgoing, Position
from producers.sqlite import SqliteWriter
from producers.topics import topics
from service.feeds import BadFeed, Entry, read_lines, read_products
from service.replay import BATCH, COMPLAINTS, Replayed, replay


class Written(list[Outgoing]):
    """The smallest producer: what was published, in order."""

    def publish(self, records, past: Position | None) -> None:
        assert past is None
        self.extend(records)

    def close(self) -> None:
        pass


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.naps: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps.append(seconds)


def entries(n: int) -> list[Entry]:
    return [Entry(Product(id=f"p{i}", title=f"Shoe {i}", price=float(i)), frozenset({"a"})) for i in range(n)]


def run(feed, *, rate=None, limit=None, time=None) -> tuple[Written, list[Replayed]]:
    written, time = Written(), time or Time()
    return written, list(replay(feed, written, rate=rate, limit=limit, clock=time.clock, sleep=time.sleep))


def test_products_go_out_in_order_with_their_id_as_key():
    written, progress = run(entries(3 * BATCH + 7))

    assert [decode(Product, record.value) for record in written] == [e.product for e in entries(3 * BATCH + 7)]
    assert [(r.topic, r.key) for r in written] == [("products", f"p{i}".encode()) for i in range(3 * BATCH + 7)]
    assert [done.sent for done in progress] == [BATCH, 2 * BATCH, 3 * BATCH, 3 * BATCH + 7]


def test_labels_are_not_sent():
    written, _ = run(entries(1))

    assert set(msgpack.unpackb(written[0].value)) == {"id", "title", "price"}


def test_the_same_feed_makes_the_same_records():
    assert run(entries(9))[0] == run(entries(9))[0]


@pytest.mark.parametrize("limit", [0, 1, BATCH, BATCH + 1, 10 * BATCH])
def test_no_more_than_the_limit_is_sent(limit):
    assert len(run(entries(2 * BATCH), limit=limit)[0]) == min(limit, 2 * BATCH)


def test_nothing_beyond_the_limit_is_read():
    def feed():
        yield from entries(5)
        raise AssertionError

    assert len(run(feed(), limit=5)[0]) == 5


@pytest.mark.parametrize("rate", [0.5, 3.0, 250.0, 100_000.0])
def test_a_paced_replay_takes_as_long_as_its_rate_says(rate):
    time, n = Time(), 1_200
    run(entries(n), rate=rate, time=time)

    last = max(1, min(BATCH, int(rate * 0.1)))  # the last batch goes out as soon as those before it are due
    assert time.now - 100.0 == pytest.approx((n - (n % last or last)) / rate)


def test_a_paced_replay_is_smooth():
    time = Time()
    run(entries(1_000), rate=200.0, time=time)

    assert max(time.naps) == pytest.approx(0.1)


def test_without_a_rate_nobody_sleeps():
    time = Time()
    run(entries(1_000), time=time)

    assert time.naps == []


def test_bad_lines_are_skipped_counted_and_the_first_ones_kept(tmp_path):
    path = tmp_path / "feed.jsonl"
    path.write_text("".join(f'{{"id": "{i}", "title": "x"}}\nbad\n' for i in range(40)))
    written, progress = run(read_lines(path))

    assert (len(written), progress[-1].sent, progress[-1].skipped) == (40, 40, 40)
    assert [text.split(":")[0] for text in progress[-1].complaints] == [
        f"{path}, line {2 * i}" for i in range(1, COMPLAINTS + 1)
    ]


def test_a_strict_feed_stops_at_its_bad_line(tmp_path):
    path = tmp_path / "feed.jsonl"
    path.write_text('{"id": "1", "title": "x"}\nbad\n')

    with pytest.raises(BadFeed, match="line 2"):
        run(read_products(path))


def test_a_product_larger_than_the_service_takes_is_skipped():
    big = Entry(Product(id="big", title="x", image=b"x" * 1_000_001), None)
    written, progress = run([big, *entries(1)])

    assert [record.key for record in written] == [b"p0"]
    assert progress[-1].complaints == ("product big: 1000028 bytes encoded; at most 1000000 are taken",)


def test_batches_are_bounded_in_bytes():
    big = [Entry(Product(id=f"{i}", title="x", image=b"x" * 900_000), None) for i in range(12)]

    assert [done.sent for done in run(big)[1]] == [5, 10, 12]


def test_on_the_embedded_log_each_product_is_one_record_in_order(tmp_path):
    writer = SqliteWriter(tmp_path / "log.sqlite", topics=topics(), durable=False)
    list(replay(entries(BATCH + 3), writer, rate=None, limit=None, clock=Time().clock, sleep=Time().sleep))
    writer.close()
    reader = SqliteReader(tmp_path / "log.sqlite", topics=["products"], group="checker")
    records = reader.poll(10_000, 0.0)
    reader.close()

    assert [read(Product, record) for record in records] == [entry.product for entry in entries(BATCH + 3)]


def test_an_empty_feed_sends_nothing():
    assert run([]) == ([], [])


def test_bytes_are_those_of_the_records():
    written, progress = run(entries(10))

    assert progress[-1].bytes == sum(len(record.value) for record in written)
