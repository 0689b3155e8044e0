"""The network with its embedding table while it learns: masters, their running average, and the optimisers.

One for all outputs, or with `joint` off one for each, that share no weight and no step's length.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import network
from models.features import Features
from models.hashing import GOLDEN, Words, mix, name_hash
from models.lessons import LearnerSettings
from models.optimiser import AdamW, step_rows
from models.state import State, array, moved, part, prefixed, tensor
from models.table import Bag, Floats, Rows, extend, ranked


class Network:
    """Trunk, heads and embeddings. The tables stay in main memory, the dense part on the device."""

    def __init__(self, outputs: Sequence[str], settings: LearnerSettings, *, seed: int, device: torch.device) -> None:
        s = settings
        self.settings, self.seed, self.device = settings, seed, device
        self.shape = network.Shape(
            width=s.width, sketch=s.sketch, hidden=s.hidden, members=s.members, prior=s.prior, joint=s.joint,
            shared=s.heads == "shared",
        )  # fmt: skip
        self.dense = network.parameters(len(outputs), self.shape, seed=seed, device=device)
        self.prior = network.priors(outputs, self.shape, seed=seed, device=device)
        self.served = {name: value.clone() for name, value in self.dense.items()}
        rates = dict.fromkeys(network.TRUNK, s.rate_trunk) | dict.fromkeys(network.HEADS, s.rate_heads)
        self.optimiser = AdamW(rates, decay=s.decay, apart=not s.joint)
        self.networks = 1 if s.joint else len(outputs)
        self.embedding = np.zeros((0, self.networks * s.width), np.float32)
        self.sums = np.zeros(0, np.float32)

    def open(self, rows: Rows, ids: Rows, size: int) -> None:
        """Start the embeddings of new features, by hash, in tables of `size` rows."""
        if size > len(self.embedding):
            self.embedding, self.sums = extend(self.embedding, size), extend(self.sums, size * self.networks)
        self.sums.reshape(len(self.embedding), self.networks)[rows] = 0.0
        self.embedding[rows] = np.tile(_start(ids, self.shape.width, self.seed), self.networks)

    def step(self, features: Features, bag: Bag, bias: Floats, targets: Floats, weights: Floats) -> Rows:
        """Take one step of both optimisers; returns the rows of the embedding table that moved."""
        rows, columns = ranked(bag.rows, len(self.embedding))
        embedded = self._on(bag.sums(bag.values, bag.rows, self.embedding)).requires_grad_()
        sketched = self._on(network.sketch(features, bag.everything, self.shape.sketch))
        names = list(self.dense)
        leaves = {name: self.dense[name].detach().requires_grad_() for name in names}
        said = network.logits(leaves, self.prior, embedded, sketched, self._on(bias))
        slope = network.slope(said.detach(), self._on(targets), self._on(weights))
        towards = (said * slope).sum()  # its gradient is the slope; given the slope itself, torch would load sympy
        *dense, bags = torch.autograd.grad(towards, [*(leaves[name] for name in names), embedded])
        self.optimiser.step(self.dense, dict(zip(names, dense, strict=True)))
        gradient, each = bag.matrix(bag.values, columns, len(rows)).T @ bags.cpu().numpy(), self.networks
        places = (rows[:, None] * each + np.arange(each)).ravel()  # every network's rows have rates of their own
        width = self.shape.width
        step_rows(
            self.embedding.reshape(-1, width), self.sums, places, gradient.reshape(-1, width), self.settings.rate_rows
        )
        # A short average at first, so that the start is soon forgotten.
        keep = min(self.settings.average, self.optimiser.steps / (10.0 + self.optimiser.steps))
        for name in names:
            self.served[name].lerp_(self.dense[name], 1.0 - keep)
        return rows

    def _on(self, values: Floats) -> Tensor:
        return torch.tensor(values, device=self.device)  # copied: sums of products may depend on how memory is aligned

    def rearrange(self, outputs: Sequence[str], sources: NDArray[np.int64], ids: Rows) -> None:
        """Go on with other outputs: output i is what was `sources[i]`, or fresh where that is -1; `ids` by row."""
        by_output = {*network.HEADS, *(() if self.settings.joint else network.TRUNK)}
        missing = torch.from_numpy(sources < 0)
        fresh = network.parameters(len(outputs), self.shape, seed=self.seed, device=self.device)
        for tensors in (self.dense, self.served, self.optimiser.first, self.optimiser.second):
            for name in tensors.keys() & by_output:
                tensors[name] = torch.from_numpy(moved(array(tensors[name]), sources, 0.0)).to(self.device)
        for tensors in (self.dense, self.served):
            for name in tensors.keys() & by_output:
                tensors[name][missing] = fresh[name][missing]
        if not self.settings.joint:
            rows, width = len(self.embedding), self.shape.width
            own = moved(self.embedding.reshape(rows, self.networks, width), sources, 0.0, axis=1)
            own[:, sources < 0] = _start(ids[:rows], width, self.seed)[:, None]
            self.sums = moved(self.sums.reshape(rows, self.networks), sources, 0.0, axis=1).ravel()
            self.networks, self.embedding = len(outputs), own.reshape(rows, len(outputs) * width)
        self.prior = network.priors(outputs, self.shape, seed=self.seed, device=self.device)

    def state(self, rows: int) -> State:
        """The first `rows` rows of the tables and all dense tensors."""
        return {
            "embedding": tensor(self.embedding[:rows]),
            "sums": tensor(self.sums[: rows * self.networks]),
            "steps": tensor([self.optimiser.steps]),
            **prefixed("dense", _copied(self.dense)),
            **prefixed("served", _copied(self.served)),
            **prefixed("first", _copied(self.optimiser.first)),
            **prefixed("second", _copied(self.optimiser.second)),
        }

    def restore(self, state: State, size: int) -> None:
        self.embedding = extend(array(state["embedding"]).astype(np.float32), size)
        self.sums = extend(array(state["sums"]).astype(np.float32), size * self.networks)
        self.optimiser.steps = int(state["steps"][0])
        order = list(self.dense)  # sums over all tensors depend on it, and files keep none
        self.dense, self.served, self.optimiser.first, self.optimiser.second = (
            {name: value[name].clone().to(self.device) for name in order if name in value}
            for value in (part(which, state) for which in ("dense", "served", "first", "second"))
        )


def _copied(tensors: State) -> State:
    return {name: value.detach().cpu().clone() for name, value in tensors.items()}


def _start(ids: Rows, width: int, seed: int) -> Floats:
    """Small random embeddings that depend on the feature and the seed alone."""
    words: Words = mix(ids.astype(np.uint64) + np.uint64(name_hash(seed, "embedding")))
    numbers = np.arange(1, width + 1, dtype=np.uint64) * GOLDEN
    drawn = (mix(words[:, None] + numbers[None, :]) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return (drawn - np.float32(0.5)) * np.float32(0.2)
