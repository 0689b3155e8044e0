"""The scoring half by itself: what it does with the models and orders that it is given."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from consumers.sqlite import SqliteReader
from models.coding import encode, read
from models.faults import LogUnavailable
from models.messages import Prediction, Product
from models.records import Outgoing
from models.shipping import Orders
from producers.port import DeliveryFailed
from producers.sqlite import SqliteWriter
from producers.sqlite_file import FILE
from producers.topics import topics
from service.encoders import Encoders
from service.halves import ahead_of, asking_of
from service.metrics import Metrics
from service.scoring import ScoringHalf, asking_now, score_turn, serve, settle
from service.settings import read_settings
from shared.lessons import taught

ORDERS = Orders(share=0.3, factor=1.0, finished=(), scale=2.5, yardstick=False, encoder="", made_at=1_790_000_000.0)


@pytest.fixture(scope="module")
def models():
    """Snapshots of a learner after 1, 2 ... batches, by number."""
    learner, found = taught(1), {}
    found[learner.version] = learner.snapshot()
    for _ in range(4):
        learner.recalibrate(learner.version + 1, 100)
        found[learner.version] = learner.snapshot()
    return found


@pytest.fixture
def half(tmp_path):
    settings = read_settings(
        None, {"asking.seed": "s", "asking.share": 0.1, "asking.p_min": 0.02, "data_dir": tmp_path}
    )
    return ScoringHalf(
        asking=asking_of(settings), watch=True, encoders=Encoders("cpu", 10),
        metrics=Metrics(CollectorRegistry(), version="0"), batch=10, wait=0.0, max_bytes=1_000_000,
    )  # fmt: skip


def test_without_a_model_nothing_is_polled(half):
    score_turn(half, None, None)

    assert half.served is None


def test_orders_change_the_rule_as_configured(half):
    asking = asking_now(half.asking, replace(ORDERS, share=0.4, factor=3.0, finished=("red",)))

    assert (asking.share, asking.p_min, asking.finished) == (0.4, pytest.approx(0.06), frozenset({"red"}))
    assert (asking.key, asking.policy) == (half.asking.key, half.asking.policy)


def test_the_scale_of_the_first_orders_is_begun_from_and_then_ones_own(half, models):
    serve(half, models[1], ORDERS)
    begun, half.scale = half.scale, 7.0
    serve(half, models[2], replace(ORDERS, scale=1.0))

    assert (begun, half.scale) == (2.5, 7.0)


def test_drift_is_measured_by_what_stands_still_until_it_is_far_behind(half, models):
    measured = []
    for version in sorted(models):
        serve(half, models[version], ORDERS)
        measured.append(half.served.yardstick.snapshot.version)

    assert measured == [1, 1, 1, 4, 4]


def test_drift_is_measured_by_another_model_when_that_is_ordered(half, models):
    serve(half, models[1], ORDERS)
    serve(half, models[2], replace(ORDERS, yardstick=True))
    serve(half, models[3], ORDERS)

    assert half.served.yardstick.snapshot.version == 2


def test_nothing_is_measured_where_nobody_watches(half, models):
    half.watch = False
    serve(half, models[1], replace(ORDERS, yardstick=True))

    assert half.served.yardstick is None


def test_the_age_of_the_model_is_that_of_the_newest_word(half, models):
    registry = CollectorRegistry()
    half.metrics = Metrics(registry, version="0")
    serve(half, models[1], ORDERS)
    serve(half, models[1], replace(ORDERS, made_at=ORDERS.made_at + 10.0))

    assert registry.get_sample_value("askance_model_timestamp_seconds") == ORDERS.made_at + 10.0
    assert registry.get_sample_value("askance_model_version") == 1.0


def test_outputs_get_their_labels_with_the_model(half, models):
    registry = CollectorRegistry()
    half.metrics = Metrics(registry, version="0")
    serve(half, models[1], ORDERS)
    counted = [registry.get_sample_value("askance_positives_total", {"output": name}) for name in models[1].outputs]

    assert counted == [0.0] * len(models[1].outputs)


class Shop:
    """An embedded log with 35 products, and a writer that can fail."""

    def __init__(self, folder):
        self.path, self.batches, self.fails = folder / FILE, [], False
        self.writer = SqliteWriter(self.path, topics=topics(), durable=False)
        products = [Product(id=f"p{n}", title=f"red shoe {n}") for n in range(35)]
        self.writer.publish([Outgoing("products", p.id.encode(), encode(p)) for p in products], None)

    def reader(self, names=("products",), group="scorers"):
        return SqliteReader(self.path, topics=names, group=group)

    def publish(self, records, past):
        if self.fails:
            raise DeliveryFailed("in doubt")
        self.batches.append(len([record for record in records if record.topic == "predictions"]))
        self.writer.publish(records, past)

    def predictions(self):
        return [read(Prediction, r, limit=10**6) for r in self.reader(("predictions",), "judge").poll(1_000, 0.0)]


class Gone:
    """A reader whose log is gone."""

    def poll(self, _limit, _timeout):
        raise LogUnavailable("gone")


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    yield shop
    shop.writer.close()


@pytest.fixture
def ahead():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_a_batch_scored_ahead_is_what_it_would_have_been(half, models, shop, ahead, tmp_path):
    alone = replace(half, metrics=Metrics(CollectorRegistry(), version="0"))
    (tmp_path / "alone").mkdir()
    other = Shop(tmp_path / "alone")
    for one, log in ((replace(half, ahead=ahead), shop), (alone, other)):
        serve(one, models[1], ORDERS)
        reader = log.reader()
        for _ in range(4):
            score_turn(one, reader, log)
        settle(one)

    decided = [[(p.product, p.arrival, p.draw, p.asked) for p in log.predictions()] for log in (shop, other)]
    chances = [[p.chance for p in log.predictions()] for log in (shop, other)]
    assert decided[0] == decided[1]
    assert chances[0] == chances[1]
    assert (len(decided[0]), shop.batches, other.batches) == (35, [10, 10, 10, 5], [10, 10, 10, 5])
    other.writer.close()


@pytest.mark.parametrize(
    ("kafka", "overlaps"),
    [
        ({}, False),
        ({"kafka.bootstrap": "b:9092"}, True),
        ({"kafka.bootstrap": "b:9092", "kafka.writer_apart": False}, False),
        ({"kafka.bootstrap": "b:9092", "kafka.writer_apart": False, "kafka.client": "confluent"}, True),
    ],
)
def test_a_batch_is_published_beside_only_where_the_writer_leaves_the_interpreter_alone(kafka, overlaps):
    assert (ahead_of(read_settings(None, kafka)) is not None) == overlaps


def test_what_was_published_counts_though_reading_on_fails(half, models, shop, ahead):
    half.ahead, registry = ahead, CollectorRegistry()
    half.metrics = Metrics(registry, version="0")
    serve(half, models[1], ORDERS)
    score_turn(half, shop.reader(), shop)
    with pytest.raises(LogUnavailable):
        score_turn(half, Gone(), shop)
    settle(half)

    assert (registry.get_sample_value("askance_arrivals_total"), shop.batches) == (10.0, [10])


def test_a_batch_is_under_way_until_the_next_turn_or_until_nothing_comes(half, models, shop, ahead):
    half.ahead = ahead
    serve(half, models[1], ORDERS)
    reader, under_way = shop.reader(), []
    for _ in range(5):
        score_turn(half, reader, shop)
        under_way.append(half.publishing and half.publishing[0].arrivals)

    assert (under_way, shop.batches) == ([10, 10, 10, 5, None], [10, 10, 10, 5])


def test_what_was_scored_beside_a_failure_is_read_again_and_published_once(half, models, shop, ahead):
    half.ahead = ahead
    serve(half, models[1], ORDERS)
    reader = shop.reader()
    shop.fails, before = True, half.scale
    score_turn(half, reader, shop)
    with pytest.raises(DeliveryFailed):
        score_turn(half, reader, shop)
    reader.close()
    shop.fails, left, reader = False, half.publishing, shop.reader()
    for _ in range(5):
        score_turn(half, reader, shop)

    assert (left, before) == (None, 2.5)
    assert sorted(p.product for p in shop.predictions()) == sorted(f"p{n}" for n in range(35))
