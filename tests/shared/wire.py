"""Shipments in tests: a log between a learner and a scorer, and whether two snapshots say the same."""

from dataclasses import replace
from itertools import count

import numpy as np

from models.features import featurise
from models.records import Record
from models.shipping import Orders
from models.snapshot import Snapshot
from shared.lessons import product

ORDERS = Orders(
    share=0.1, factor=1.0, finished=(), scale=1.0, yardstick=False, encoder="", made_at=1_790_000_000.0,
    output_scales={"red": 0.5},
)  # fmt: skip
_ARRIVALS = [product(number) for number in range(7_000, 7_030)]


class Topic:
    """The topic `snapshots`, kept by key as compaction does."""

    def __init__(self):
        self.records = []
        self._offsets = count()

    def publish(self, outgoing):
        """Append, and return what a reader then reads."""
        read = [Record(o.topic, 0, next(self._offsets), o.key, o.value, 0.0) for o in outgoing]
        self.records += read
        return read

    def compacted(self, *, withdrawals=False):
        newest = {record.key: record for record in self.records}
        return [record for record in newest.values() if withdrawals or record.value is not None]

    def size(self):
        return sum(len(record.value) for record in self.compacted())


def said(snapshot):
    """All that a snapshot says of some arrivals, as bytes."""
    features = featurise(_ARRIVALS, bits=snapshot.bits)
    members = snapshot.members(features)
    everything = [members, snapshot.scores(members), snapshot.thresholds, snapshot.prevalence]
    if isinstance(snapshot, Snapshot):
        everything += [*snapshot.linear_path(features), snapshot.novelty(features), snapshot.arrivals, snapshot.rarity]
    return snapshot.version, snapshot.outputs, [np.asarray(each).tobytes() for each in everything]


def orders(at):
    return replace(ORDERS, made_at=ORDERS.made_at + at)
