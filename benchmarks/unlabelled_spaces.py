"""Ways to learn where words lie from products without labels, against each other; on docs/encoders.md.

    python benchmarks/unlabelled_spaces.py DATA [--feeds NAME ...] [--limit N] [--page FILE]

Latent semantic analysis (`models.latent`), and two that are trained by gradient, from random places or from where the
analysis ends. The texts and words are the same, so nothing differs but where words lie. A logistic regression per
output, on ANSWERS uniform answers, sees the embeddings alone; what counts is its macro-AP on the products after them.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from kept import feeds_of
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn import functional

from models.embeddings import text_of
from models.features import Features, phrases
from models.latent import Space, fit
from service.simulate import Trial, load

BEGIN, END = "<!-- spaces: begin -->", "<!-- spaces: end -->"
ANSWERS: Final = 400
LEARNT: Final = slice(0, ANSWERS)
JUDGED: Final = slice(1_000, None)
FEWEST: Final = (2, 5)  # positives among what is learnt from and what is judged on
DIMENSIONS: Final = 128
EPOCHS: Final = 10
BATCH: Final = 256
RATE: Final = 3e-3
_BITS: Final = 40  # as `models.latent` knows words by

Half = tuple[Tensor, Tensor, Tensor]  # numbers of words, where each text's begin, weights
Loss = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with NAME.jsonl.gz and NAME.outputs.json")
    parser.add_argument("--feeds", nargs="+")
    parser.add_argument("--limit", type=int, default=5_000)
    parser.add_argument("--page", type=Path, default=Path("docs/encoders.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = ["| feed | outputs | " + " | ".join(SPACES) + " |", "| --- |" + " ---: |" * (1 + len(SPACES))]
    for feed in feeds_of(arguments.data, arguments.feeds):
        trial = Trial(policy="random", share=0.1, limit=arguments.limit, seed=0)
        data = load(arguments.data / f"{feed}.jsonl.gz", arguments.data / f"{feed}.outputs.json", trial)
        texts, answers = [text_of(product) for product in data.stream], np.asarray(data.answers, np.float64)
        cells = []
        for make in SPACES.values():
            began = time.perf_counter()
            space = make(texts)
            taken = time.perf_counter() - began
            quality, outputs = judge(space.embed(texts), answers)
            cells.append(f"{quality:.3f} ({taken:.0f} s)")
        rows.append(f"| {feed} | {outputs} | " + " | ".join(cells) + " |")
        print(rows[-1], file=sys.stderr, flush=True)
    before, rest = arguments.page.read_text().split(BEGIN)
    _, after = rest.split(END)
    arguments.page.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}")


def judge(embedded: NDArray[np.float32], answers: NDArray[np.float64]) -> tuple[float, int]:
    """Macro-AP of what is learnt from a few answers in the space alone, and over how many outputs."""
    lengths = np.maximum(np.linalg.norm(embedded, axis=1, keepdims=True), 1e-9)
    places, found = embedded / lengths, []
    for answer in answers.T:
        if answer[LEARNT].sum() >= FEWEST[0] and answer[JUDGED].sum() >= FEWEST[1]:
            model = LogisticRegression(C=10.0, max_iter=300).fit(places[LEARNT], answer[LEARNT])
            found.append(average_precision_score(answer[JUDGED], model.decision_function(places[JUDGED])))
    return float(np.mean(found)), len(found)


def latent(texts: Sequence[str]) -> Space:
    """Latent semantic analysis."""
    *_, space = fit(texts, DIMENSIONS)
    return space


def masked(texts: Sequence[str], *, begin: Space | None = None) -> Space:
    """Half of a text's words are hidden and told from the hidden words of other texts, by the half that is left."""
    return _trained(texts, begin, _contrast)


def vicreg(texts: Sequence[str], *, begin: Space | None = None) -> Space:
    """The two halves of a text lie alike, dimensions vary and do not repeat each other (Bardes et al. 2022)."""
    return _trained(texts, begin, _vicreg)


def _contrast(seen: Tensor, hidden: Tensor, warmth: float = 0.1) -> Tensor:
    similar = functional.normalize(seen) @ functional.normalize(hidden).T / warmth
    return functional.cross_entropy(similar, torch.arange(len(seen)))


def _vicreg(one: Tensor, other: Tensor) -> Tensor:
    loss = 25.0 * functional.mse_loss(one, other)
    for view in (one, other):
        centred = view - view.mean(dim=0)
        covariance = (centred.T @ centred) / (len(view) - 1)
        loss = loss + 25.0 * functional.relu(1.0 - torch.sqrt(centred.var(dim=0) + 1e-4)).mean()
        loss = loss + (covariance - torch.diag(torch.diagonal(covariance))).square().sum() / view.shape[1]
    return loss


def _trained(texts: Sequence[str], begin: Space | None, loss_of: Loss) -> Space:
    space = latent(texts)
    drawn = np.random.default_rng(0)
    places = space.places if begin is not None else drawn.normal(0.0, 1.0, space.places.shape)
    table = torch.nn.EmbeddingBag.from_pretrained(torch.tensor(places, dtype=torch.float32), freeze=False, mode="sum")
    optimiser = torch.optim.Adam(table.parameters(), lr=RATE)
    features = phrases(texts, bits=_BITS)
    for halves in _halves(features, space, drawn):
        optimiser.zero_grad()
        loss_of(*(table(*half) for half in halves)).backward()
        optimiser.step()
    return replace(space, places=table.weight.detach().numpy().astype(np.float32))


def _halves(features: Features, space: Space, drawn: np.random.Generator) -> Iterator[tuple[Half, Half]]:
    """Batches of texts whose words are split in two at random."""
    found = np.minimum(np.searchsorted(space.words, features.ids), len(space.words) - 1)
    known = space.words[found] == features.ids
    weights = features.values * space.rarity[found]
    for _ in range(EPOCHS):
        order = drawn.permutation(len(features))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            halves: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
            for row in order[start : start + BATCH]:
                at = np.arange(features.offsets[row], features.offsets[row + 1])
                at = at[known[at]]
                left = drawn.random(len(at)) < 0.5
                halves[0].append(at[left])
                halves[1].append(at[~left])
            yield _packed(halves[0], found, weights), _packed(halves[1], found, weights)


def _packed(parts: list[NDArray[np.int64]], found: NDArray[np.int64], weights: NDArray[np.float32]) -> Half:
    at = np.concatenate(parts)
    lengths = np.array([len(part) for part in parts])
    of = np.repeat(np.arange(len(parts)), lengths)
    squares = np.sqrt(np.maximum(np.bincount(of, weights[at].astype(np.float64) ** 2, len(parts)), 1e-12))
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)[:-1]))
    values = (weights[at] / squares[of]).astype(np.float32)
    return torch.tensor(found[at]), torch.tensor(offsets), torch.tensor(values)


SPACES: Final[dict[str, Callable[[Sequence[str]], Space]]] = {
    "latent semantic analysis": latent,
    "hidden words": masked,
    "hidden words, from there on": lambda texts: masked(texts, begin=latent(texts)),
    "VICReg": vicreg,
    "VICReg, from there on": lambda texts: vicreg(texts, begin=latent(texts)),
}


if __name__ == "__main__":
    main()
