"""Streams for benchmarks/drift.py: some change midway, some do not."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.messages import Product
from service.catalogue import OUTPUTS, generate
from service.simulate import Trial, load

PART, STEADY, HELD = 6_000, 14_000, 2_000  # products before a change, without one, and held out


class Stream(NamedTuple):
    name: str
    outputs: tuple[str, ...]
    products: list[Product]
    answers: np.ndarray  # (n, K)
    change: int  # place of the first product that is different; the end if none is
    held: list[Product]  # of after the change, never asked about
    truth: np.ndarray


def catalogue(seed: int) -> Stream:
    """A generated feed: a new merchant, other wordings, more second-hand goods."""
    entries = list(generate(2 * PART + HELD, seed=seed, drift_at=PART / (2 * PART + HELD)))
    products = [entry.product for entry in entries]
    answers = np.array([[output in (entry.labels or ()) for output in OUTPUTS] for entry in entries])
    return Stream("catalogue", OUTPUTS, products[:-HELD], answers[:-HELD], PART, products[-HELD:], answers[-HELD:])


def exchanged(seed: int, every: int) -> Stream:
    """The same products on and on, but from then on every so many outputs are answered as the next of them was."""
    entries = list(generate(2 * PART + HELD, seed=seed, drift_at=1.0))
    products = [entry.product for entry in entries]
    answers = np.array([[output in (entry.labels or ()) for output in OUTPUTS] for entry in entries])
    places = np.arange(0, len(OUTPUTS), every)
    answers[PART:, places] = answers[PART:, np.roll(places, 1)]
    name = "every output" if every == 1 else f"one output in {every}"
    return Stream(
        f"{name} means another", OUTPUTS, products[:-HELD], answers[:-HELD], PART, products[-HELD:], answers[-HELD:]
    )


def followed(data: Path, first: str, second: str, seed: int) -> Stream:
    """A feed of other goods, with outputs of their own, takes the place of the first."""
    trial = Trial(policy="random", limit=PART, seed=seed)
    one, two = (load(data / f"{name}.jsonl.gz", data / f"{name}.outputs.json", trial) for name in (first, second))
    name, outputs = f"{first}, then {second}", (*one.outputs, *(f"then {output}" for output in two.outputs))
    answers = np.pad(one.answers, ((0, len(two.stream)), (0, len(two.outputs))))
    answers[len(one.stream) :, len(one.outputs) :] = two.answers
    truth = np.pad(two.truth[:HELD], ((0, 0), (len(one.outputs), 0)))
    return Stream(name, outputs, [*one.stream, *two.stream], answers, len(one.stream), list(two.held[:HELD]), truth)


def single(data: Path, name: str, order: str) -> Stream:
    trial = Trial(policy="random", limit=STEADY, order=order)
    one = load(data / f"{name}.jsonl.gz", data / f"{name}.outputs.json", trial)
    return Stream(f"{name}, {order}", one.outputs, list(one.stream), one.answers, len(one.stream), [], one.truth[:0])
