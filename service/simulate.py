"""The scorer, the policy and the learner over a labelled feed, without any log: a protocol to compare systems by."""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.chance import Budget, combine, draw, floor_for, query_id
from models.embeddings import UNENCODED, Encoder
from models.evaluation import macro_average_precision, micro_f1
from models.features import Features
from models.lessons import LearnerSettings, Lesson
from models.policies import policy_named
from models.port import Serving
from models.view import View
from service.division import BATCH, POINTS, Data, Order, divide, mistakes
from service.kinds import new_learner

_SLICE: Final = 512  # products classified at once while evaluating


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is simulated; the same trial gives the same report but for the seconds.

    Args:
        share: wanted share of arrivals to ask about; with `labels`, that many in all, and the stream ends with them.
        order: `shuffled` by a hash of seed and id, or as in the `source`.
        holdout: share of products kept apart by a hash of the id, to score by.
        limit: most products of the stream; None for all.
        noise: share of binary answers that are wrong; the products to score by have none.
        delay: products that arrive between a question and the first batch that may know its answer.
        asking: about the whole `product`, or each of its `outputs` with a chance of its own.
        damping: ask less about what is much like something answered already.
        floor: least chance; None for the one that suits the share.
        output_shares: of arrivals, that some outputs are asked about at most, where outputs are asked one by one.

    """

    policy: str
    damping: bool = False
    share: float = 0.1
    labels: int | None = None
    order: Order = "shuffled"
    holdout: float = 0.2
    limit: int | None = None
    seed: int = 0
    noise: float = 0.0
    delay: int = 0
    asking: Literal["product", "outputs"] = "product"
    floor: float | None = None
    output_shares: Mapping[str, float] = field(default_factory=dict)
    settings: LearnerSettings = field(default_factory=LearnerSettings)
    device: str = "cpu"
    encoder: Encoder = UNENCODED


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The quality reached when so many products had been asked about."""

    labels: int
    answers: int
    products: int
    macro_ap: float
    micro_f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One batch of arrivals was decided on, and what was answered by then learnt."""

    products: int  # so far, as below
    labels: int
    answers: int
    seconds: float  # of work; evaluation left out
    learning: float  # processor seconds of learning from answers
    updates: int  # steps of the network's optimiser
    rehearsals: int  # answers that the linear path learnt, new ones and again
    point: Point | None


def load(feed: Path, outputs: Path, trial: Trial) -> Data:
    """Read and divide a feed. Raises BadFeed."""
    return divide(feed, outputs, seed=trial.seed, order=trial.order, holdout=trial.holdout, limit=trial.limit)


def run(data: Data, trial: Trial) -> Iterator[Step]:
    """Simulate, step by step: decide on a batch, learn from the answers due, show the model to the next batch.

    Batches are at most 64 products, and at most the labels missing to the next point, so that points are exact.
    """
    stream, outputs = len(data.stream), len(data.outputs)
    share = trial.share if trial.labels is None else min(1.0, trial.labels / stream)
    budget = Budget(
        share=share,
        floor=floor_for(share) if trial.floor is None else trial.floor,
        output_shares={data.outputs.index(name): most for name, most in trial.output_shares.items()},
    )
    policy = policy_named(trial.policy, damping=trial.damping)
    learner = new_learner(data.outputs, trial.settings, seed=trial.seed, device=trial.device, encoder=trial.encoder)
    answered = data.answers ^ mistakes(data.answers.shape, seed=trial.seed, noise=trial.noise)
    snapshot = learner.snapshot()
    exam = learner.read(data.held)
    waiting: deque[tuple[int, Lesson]] = deque()
    missing = [count for count in (*POINTS, trial.labels or 0) if count]
    labels = answers = at = 0
    seconds = learning = 0.0
    updates = rehearsals = 0
    key = f"simulate/{trial.seed}".encode()
    while at < stream and (trial.labels is None or labels < trial.labels):
        started = time.perf_counter()
        ahead = min((count - labels for count in missing if count > labels), default=BATCH)
        batch = range(at, min(stream, at + min(BATCH, ahead)))
        features = learner.read([data.stream[i] for i in batch])
        disagreement = policy.disagreement(View.of(features, snapshot))
        chances = budget.chances_for(combine(disagreement), disagreement if trial.asking == "outputs" else None)
        arrivals = [f"products/0/{i}" for i in batch]
        asked = chances.asked_outputs([draw(key, data.name, arrival) for arrival in arrivals], outputs)
        chance = np.repeat(chances.product[:, None], outputs, axis=1) if chances.outputs is None else chances.outputs
        for row in np.flatnonzero(asked.any(axis=1)):
            lesson = Lesson(
                query=query_id(data.name, arrivals[row]),
                product=data.stream[batch[row]],
                targets=np.where(asked[row], answered[batch[row]], np.nan).astype(np.float32),
                chance=chance[row].astype(np.float32),
            )
            waiting.append((batch[row] + trial.delay, lesson))
        labels, answers, at = labels + int(asked.any(axis=1).sum()), answers + int(asked.sum()), batch.stop
        due = []
        while waiting and waiting[0][0] < at:
            due.append(waiting.popleft()[1])
        if due:
            begun = time.process_time()
            progress = learner.update(learner.version + 1, due)
            learning += time.process_time() - begun
            updates, rehearsals = updates + progress.steps, rehearsals + progress.rehearsed
            snapshot = learner.snapshot()
        seconds += time.perf_counter() - started
        ends = at == stream or labels == trial.labels
        point = None
        if ends or (labels in POINTS and asked.any()):
            quality = _score(snapshot, exam, data.truth)
            point = Point(labels=labels, answers=answers, products=at, macro_ap=quality[0], micro_f1=quality[1])
        yield Step(
            products=at, labels=labels, answers=answers, seconds=seconds, learning=learning, updates=updates,
            rehearsals=rehearsals, point=point,
        )  # fmt: skip


def _score(snapshot: Serving, exam: Features, truth: NDArray[np.bool_]) -> tuple[float, float]:
    parts = [
        snapshot.scores(snapshot.members(exam.take(np.arange(first, min(first + _SLICE, len(exam))))))
        for first in range(0, len(exam), _SLICE)
    ]
    scores = np.concatenate(parts)
    return macro_average_precision(scores, truth), micro_f1(scores >= snapshot.thresholds, truth)


def report(data: Data, trial: Trial, steps: Sequence[Step]) -> dict[str, Any]:
    """What a finished simulation found, in the form that other systems report too."""
    last = steps[-1]
    return {
        "feed": data.name,
        "system": "askance",
        "policy": policy_named(trial.policy, damping=trial.damping).name,
        "seed": trial.seed,
        "order": trial.order,
        "delay": trial.delay,
        "noise": trial.noise,
        "points": [
            {
                "labels": point.labels,
                "answers": point.answers,
                "products": point.products,
                "macro_ap": round(point.macro_ap, 4),
                "micro_f1": round(point.micro_f1, 4),
            }
            for point in (step.point for step in steps)
            if point is not None
        ],
        "seconds": round(last.seconds, 2),
        "products_per_second": round(last.products / max(last.seconds, 1e-9), 1),
        "stream": len(data.stream),
        "holdout": len(data.held),
        "outputs": len(data.outputs),
        "label_rate": round(last.labels / last.products, 4),
    }


def simulate(feed: Path, outputs: Path, trial: Trial) -> dict[str, Any]:
    """Read, run to the end and report. Raises BadFeed."""
    data = load(feed, outputs, trial)
    return report(data, trial, list(run(data, trial)))
