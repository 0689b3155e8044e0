"""The whole story of one product, arrival or query, from the log and the ledger."""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from models.coding import Malformed, read
from models.joining import Outcome
from models.messages import Label, Message, Prediction, Rejection
from service.ledger import Kept, Ledger
from service.reading import Read, read_topic

M = TypeVar("M", bound=Message)


class Answered(NamedTuple):
    """One label and what became of it."""

    label: Label
    received_at: float
    outcome: Outcome


class Story(NamedTuple):
    """All that is known of one arrival."""

    arrival: str
    prediction: Prediction | None  # None if the log no longer has it
    kept: Kept | None  # its query; None if it was not asked about, or not yet learnt of
    answers: tuple[Answered, ...]
    batches: tuple[int, ...]  # that learnt from it
    rejection: Rejection | None = None  # if it was turned away

    @property
    def at(self) -> float:
        """When it was predicted or asked about, as far as that is known; 0 if turned away."""
        if self.prediction is not None:
            return self.prediction.at
        return 0.0 if self.kept is None else self.kept.query.asked_at


def explain(identity: str, read_log: Read, ledger: Ledger | None) -> Iterator[Story]:
    """Tell the story of every arrival with this product id, arrival name or query id, in no order."""
    asked = {} if ledger is None else {q: ledger.query(q) for q in ledger.queries_of(identity)}
    by_arrival = {kept.query.arrival: (query, kept) for query, kept in asked.items() if kept is not None}
    told = set()
    for prediction in _messages(read_log, "predictions", Prediction):
        if prediction.arrival in by_arrival or identity in (prediction.product, prediction.arrival):
            told.add(prediction.arrival)
            yield _story(prediction.arrival, prediction, by_arrival, ledger)
    for arrival in by_arrival.keys() - told:
        yield _story(arrival, None, by_arrival, ledger)
    for one in _messages(read_log, "rejections", Rejection):
        if identity == f"{one.topic}/{one.partition}/{one.offset}":
            yield Story(identity, None, None, (), (), one)


def scores_of(prediction: Prediction, outputs: tuple[str, ...]) -> dict[str, float]:
    """Scores by output, highest first; empty if the model then had other outputs."""
    scores = np.frombuffer(prediction.scores, "<f4")
    if len(scores) > len(outputs):
        return {}
    return dict(sorted(zip(outputs, scores.tolist(), strict=False), key=lambda pair: -pair[1]))


def _messages(read_log: Read, topic: str, kind: type[M]) -> Iterator[M]:
    for record in read_topic(read_log, topic):
        try:
            yield read(kind, record, limit=64_000_000)
        except Malformed:
            continue


def _story(
    arrival: str, prediction: Prediction | None, asked: dict[str, tuple[str, Kept]], ledger: Ledger | None
) -> Story:
    if ledger is None or arrival not in asked:
        return Story(arrival, prediction, None, (), ())
    query, kept = asked[arrival]
    answers = tuple(Answered(label, at, outcome) for _, label, at, outcome in ledger.answers(query))
    return Story(arrival, prediction, kept, answers, tuple(ledger.batches.taught_by(query)))
