"""Other systems under the protocol of `service/simulate.py`: same stream, same points, same score."""

import time
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from peer_systems import Floats, Mask, Refitted, River, Variable, VowpalWabbit

from models.evaluation import macro_average_precision, micro_f1
from service.division import BATCH, POINTS, Data


class Peer(Protocol):
    """A system that decides, learns and scores; `rows` and `first`, `stop` are places in the stream."""

    def wishes(self, first: int, stop: int) -> Mask | None:
        """Which of these products to ask about; None leaves it to uniform chance."""

    def learn(self, rows: Sequence[int], seen: int) -> None: ...

    def finish(self, seen: int) -> None:
        """Be ready to be scored; what this costs counts as learning."""

    def margins(self) -> Floats:
        """Of the held-out products, (n, K); above 0 is positive."""


PEERS: Final = {"sklearn": Refitted, "skactiveml": Variable, "river": River, "vw": VowpalWabbit}


def measure(data: Data, system: str, policy: str, seed: int, share: float) -> dict[str, Any]:
    """Run a peer over the stream; the report has the form of `service.simulate.report`."""
    started = time.perf_counter()
    uniform = np.random.default_rng(seed)  # the same for all, so that uniform policies ask about the same products
    peer: Peer = PEERS[system](data, policy, seed, share)
    points: list[dict[str, Any]] = []
    stream, labels, at, judging = len(data.stream), 0, 0, 0.0
    while at < stream:
        ahead = min((count - labels for count in POINTS if count > labels), default=BATCH)
        first, at = at, min(stream, at + min(BATCH, ahead))
        coins = uniform.random(at - first) < share
        wishes = peer.wishes(first, at)
        rows = (first + np.flatnonzero(coins if wishes is None else wishes)).tolist()
        if rows:
            peer.learn(rows, at)
        labels += len(rows)
        if at == stream or (rows and labels in POINTS):
            peer.finish(at)
            paused = time.perf_counter()
            margins = np.nan_to_num(peer.margins())
            quality = macro_average_precision(margins, data.truth), micro_f1(margins > 0, data.truth)
            judging += time.perf_counter() - paused
            figures = {"macro_ap": round(quality[0], 4), "micro_f1": round(quality[1], 4)}
            points.append({"labels": labels, "products": at, **figures})
    seconds = time.perf_counter() - started - judging
    return {
        "feed": data.name,
        "system": system,
        "policy": policy,
        "seed": seed,
        "points": points,
        "seconds": round(seconds, 2),
        "products_per_second": round(stream / seconds, 1),
        "stream": stream,
        "holdout": len(data.held),
        "outputs": len(data.outputs),
        "label_rate": round(labels / stream, 4),
    }
