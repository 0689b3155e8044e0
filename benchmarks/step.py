"""The scoring step without any log: records in, what would be published out, by stage."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np
from offers import sayings, truth

from models.learner import Learner
from models.lessons import LearnerSettings, Lesson
from models.messages import Product
from models.policies import policy_named
from models.port import Serving
from models.records import Record
from models.watched import Yardstick
from service.asking_settings import AskingSettings
from service.deciding import Asking
from service.score import Scored, score

LESSONS = 64  # of a batch
STAGES = ("decode", "featurise", "classify", "watch", "decide", "encode")


@dataclass(frozen=True, slots=True)
class Served:
    """What a scorer serves from, and the older snapshot it watches for drift by."""

    snapshot: Serving
    yardstick: Yardstick
    digest: str  # of the learner


def taught(
    products: Sequence[Product], outputs: int, *, named: Sequence[Product] = (), device: str = "cpu", **settings: int
) -> Served:
    """Let a learner of the default settings learn all these products; its yardstick knows a quarter of them.

    Outputs are named by what other products say, if any are given.
    """
    names = sayings(named or products, outputs)
    learner = Learner(names, LearnerSettings(**settings), seed=0, device=device)
    answers = truth(products, names).astype(np.float32)
    yardstick = learner.snapshot()
    for number, first in enumerate(range(0, len(products), LESSONS), start=1):
        lessons = [
            Lesson(query=f"q{i}", product=products[i], targets=answers[i], chance=np.ones(outputs, np.float32))
            for i in range(first, min(len(products), first + LESSONS))
        ]
        learner.update(number, lessons)
        if 4 * first <= len(products):
            yardstick = learner.snapshot()
    return Served(learner.snapshot(), Yardstick.of(yardstick), learner.digest())


def steps(served: Served, records: Sequence[Record], batch: int) -> Iterator[Scored]:
    """Score batch after batch as `askance run` does with its defaults, on the processor's time."""
    asking, scale = AskingSettings(), 1.0
    rule = Asking(
        policy=policy_named(asking.policy), unit=asking.unit, share=asking.share, p_min=asking.floor, eta=asking.eta,
        key=b"a benchmark's key", stream="benchmark", expires=86_400.0,
    )  # fmt: skip
    for first in range(0, len(records), batch):
        scored = score(
            records[first : first + batch], served.snapshot, rule, scale=scale, limit=1_000_000, now=1.7e9,
            clock=process_time, yardstick=served.yardstick,
        )  # fmt: skip
        scale = scored.scale
        yield scored
