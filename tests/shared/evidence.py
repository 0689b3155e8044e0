"""Arrivals, queries and answers at a learner's desk: for the tests of the evidence."""

import numpy as np

from models.coding import encode
from models.lessons import LearnerSettings
from models.messages import Because, Label, OutputTally, Product, Query, Tally

SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=2, memory=200, batch=16, rehearsals=2)
OUTPUTS = ("red", "shoe", "rare")
SCORES = {"red": 0.75, "shoe": 0.5, "rare": 0.125}
YES = {"red": True, "shoe": True, "rare": True}
NO = {"red": False, "shoe": False, "rare": False}


def tally(desk, first, last, asked, *, partition=0, at=1e9, outputs=OUTPUTS):
    n = last - first + 1
    outputs = {
        name: OutputTally(
            positive=n * (SCORES[name] >= 0.5),
            mass_positive=n * SCORES[name] * (SCORES[name] >= 0.5),
            mass_negative=n * SCORES[name] * (SCORES[name] < 0.5),
        )
        for name in outputs
    }
    message = Tally(
        topic="products", partition=partition, first=first, last=last, model=0, policy="iwal", n=n, asked=asked,
        chance=float(asked), scale=1.0, outputs=outputs, at=at,
    )  # fmt: skip
    return desk.record("tallies", f"products/{partition}", encode(message))


def query(desk, offset, *, partition=0, chance=0.25, ask=OUTPUTS, scores=SCORES, expires_at=2e9):
    message = Query(
        id=f"q{partition}/{offset}", arrival=f"products/{partition}/{offset}", ask=list(ask), chance=chance, model=0,
        scores=np.array(list(scores.values()), "<f4").tobytes(), positive=[k for k, v in scores.items() if v >= 0.5],
        product=Product(id=f"p{offset}", title="red shoe"), policy="iwal", priority=0.0, asked_at=1e9,
        because=Because(disagreement={}, combined=0.0, floor=0.125, scale=1.0, threshold={}), expires_at=expires_at,
    )  # fmt: skip
    return desk.record("queries", message.id, encode(message))


def label(desk, offset, answers=None, *, partition=0, annotator="ann", **fields):
    identity = f"q{partition}/{offset}"
    message = Label(query=identity, annotator=annotator, answers=answers or {}, **fields)
    return desk.record("labels", identity, encode(message), at=1.1e9)


def sums(desk, number=None):
    return desk.ledger.evidence.epoch(number).sums


def known(desk, output="red"):
    found = sums(desk)
    place = OUTPUTS.index(output)
    fields = ("arrivals", "correction_positive", "correction_negative", "yes_positive", "answered_positive")
    return {name: float(found.of(name)[place]) for name in fields if found.of(name)[place]}
