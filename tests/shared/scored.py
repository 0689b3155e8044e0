"""A small model and what it says of invented products: for the tests of the scoring step."""

import dataclasses
import itertools

import numpy as np
import pytest

from models.coding import MAX_BYTES, decode, encode
from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.messages import Prediction, Product, Query
from models.policies import POLICIES
from models.records import Record
from service.deciding import Asking
from service.score import score

OUTPUTS = ("red", "shoe", "rare", "large")
SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=4, memory=200, batch=16, rehearsals=2)
WORDS = ("red", "blue", "shoe", "hat", "wool", "big", "old", "new", "pair", "set")
NOW = 1.2e9


def product(n):
    return Product(id=f"p{n}", title=" ".join(WORDS[(n * step) % len(WORDS)] for step in (1, 3, 7)) + f" {n}")


def record(offset, value, partition=0):
    return Record("products", partition, offset, b"key", value, NOW)


def records(n, first=0):
    return [record(i, encode(product(i)), partition=i % 3) for i in range(first, first + n)]


def taught():
    learner = Learner(OUTPUTS, SMALL, seed=0)
    for number in range(1, 5):
        lessons = [
            Lesson(
                query=f"q{number}-{i}",
                product=product(i * number),
                targets=np.asarray([i % 2, i % 3 == 0, 0, i % 5 == 0], np.float32),
                chance=np.ones(4, np.float32),
            )
            for i in range(16)
        ]
        learner.update(number, lessons)
    return learner.snapshot()


SNAPSHOT = taught()
ASKING = Asking(
    policy=POLICIES["iwal"], unit="product", share=0.3, p_min=0.05, eta=0.02, key=b"secret", stream="test",
    expires=3600.0,
)  # fmt: skip


def scored(batch, *, scale=1.0, limit=MAX_BYTES, output_scales=None, **changes):
    asking = dataclasses.replace(ASKING, **changes)
    ticks = itertools.count()
    return score(
        batch, SNAPSHOT, asking, scale=scale, limit=limit, now=NOW, clock=lambda: float(next(ticks)),
        output_scales=output_scales,
    )  # fmt: skip


def of(result, kind, topic):
    return [decode(kind, one.value, limit=len(one.value)) for one in result.outgoing if one.topic == topic]


def predictions(result):
    return of(result, Prediction, "predictions")


def queries(result):
    return of(result, Query, "queries")


BOTH = pytest.mark.parametrize("unit", ["product", "output"])
POLICY = pytest.mark.parametrize("policy", sorted(POLICIES))
