"""The masters fitted to new answers, and to remembered ones again: first the linear path, then the network."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from models.counts import Relevance
from models.hashing import integers, name_hash
from models.lessons import bootstrap, importance
from models.masters import Masters
from models.table import Floats, Rows, ranked, weigh

_SAMPLE: Final = 256  # features whose log odds are looked at per batch
_TOGETHER: Final = 4_000  # answers times outputs whose features are weighed at once


def fit_linear(masters: Masters, slots: Sequence[int], number: int) -> tuple[float, int]:
    """Solve for the shares of new answers, and of remembered ones again.

    Args:
        masters: changed.
        slots: of the new answers.
        number: of the batch, which decides what is learnt again.

    Returns:
        mean log loss of the new answers before they were learnt from, NaN if there are none, and how many were solved
        for in all.

    """
    settings, linear, memory, directory = masters.settings, masters.linear, masters.memory, masters.directory
    if not slots or not linear.width:
        return float("nan"), 0
    sampled = integers(_SAMPLE, directory.count, masters.seed, "relevance", number)
    masters.counts.sample(linear.yes[sampled], directory.seen[sampled])
    relevance = masters.counts.relevance()
    order = [*slots, *memory.choose(settings.rehearsals * len(slots), 0.0, "linear", number)]
    rarity, _ = directory.rarity(memory.answered)
    bias = masters.counts.offsets(settings).learning
    cost = np.float32(settings.cost) * importance(settings, order, memory)
    likeness = masters.names.likeness(memory.batch(order))
    losses = []
    for place, (slot, (rows, values, weights)) in enumerate(
        zip(order, _weighed(masters, relevance, order), strict=True)
    ):
        targets = memory.targets[slot]
        memory.share[slot], memory.scale[slot], outside = linear.learn(
            rows, values, rarity[rows], weights,
            memory.share[slot], float(memory.scale[slot]),
            bias=bias, targets=targets, cost=cost[place], likeness=likeness[place], embedding=memory.embeddings[slot],
        )  # fmt: skip
        masters.changed.append(rows)
        if place < len(slots):
            losses.append(np.nanmean(np.logaddexp(0.0, outside) - outside * targets))
    return float(np.mean(losses)), len(order)


def _weighed(masters: Masters, relevance: Relevance, slots: Sequence[int]) -> Iterator[tuple[Rows, Floats, Floats]]:
    """The rows of remembered answers, their values and squared weights by output, worked out for many at once."""
    linear, directory = masters.linear, masters.directory
    together = max(1, _TOGETHER // linear.width)
    for first in range(0, len(slots), together):
        found = [masters.rows(slot) for slot in slots[first : first + together]]
        rows, places = ranked(np.concatenate([some for some, _ in found]), directory.count)
        weights = relevance.of(linear.yes[rows], directory.seen[rows])
        end = 0
        for some, values in found:
            first_place, end = end, end + len(some)
            yield some, values, weights.take(places[first_place:end], axis=0)


def fit_network(masters: Masters, slots: Sequence[int], number: int) -> int:
    """Take the network's steps for the new answers in `slots`, each on a batch of them and remembered ones.

    Returns how many steps; none without new answers. What is drawn from memory depends on `number`.
    """
    if not slots:
        return 0
    settings, memory, directory = masters.settings, masters.memory, masters.directory
    steps = int(np.ceil(settings.steps_per_lesson * len(slots)))
    rarity, absent = directory.rarity(memory.answered)
    bias, fresh = masters.counts.offsets(settings).learning, slots[: settings.batch // 2]
    outputs = np.asarray([name_hash(name) for name in masters.outputs], np.uint64)
    for step in range(steps):
        chosen = [*fresh, *memory.choose(settings.batch - len(fresh), settings.balanced, "network", number, step)]
        features = memory.batch(chosen)
        bag = weigh(features, directory.places, rarity, absent)
        counts = bootstrap(settings, memory.hashes[chosen], outputs)
        weights = counts * importance(settings, chosen, memory)[:, :, None]
        masters.changed.append(masters.network.step(features, bag, bias, memory.targets[chosen], weights))
    return steps
