"""Peers of the scoring step: the same products and outputs, one core, features by the words and pairs of words.

Vowpal Wabbit reads lines of words from a file with its own driver, all in C++, and writes its predictions to another;
that it need not decode records nor find words is a gift to it. The others are given words too.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np
import vowpalwabbit
from numpy.typing import NDArray
from offers import truth
from peer_systems import BITS, features, hashed, words
from river import linear_model, optim
from sklearn.linear_model import SGDClassifier

from models.messages import Product

WORDS: Final = f"--ngram 2 --hash all -b {BITS} --quiet"
RIVER: Final = 100  # products; a slow one needs few
ACTIVE: Final = 500
LEARNT: Final = 500
SGD: Final = 1_000

Answers = NDArray[np.bool_]
Measure = Callable[[Sequence[Product]], Mapping[str, float]]


class Peers:
    """Each taught once with the same answers; each measure is seconds of processor time per product."""

    def __init__(self, taught: Sequence[Product], outputs: Sequence[str], folder: Path) -> None:
        self.outputs, self.folder = outputs, folder
        answers = truth(taught, outputs)
        self.model = folder / "multilabel.vw"
        lines(folder / "taught.txt", taught, answers)
        drive(f"--multilabel_oaa {len(outputs)} {WORDS} -d {folder / 'taught.txt'} -f {self.model}")
        self.river = [linear_model.LogisticRegression(optim.SGD(3.0), intercept_lr=3.0) for _ in outputs]
        for product, row in zip(taught[:RIVER], answers, strict=False):
            counted = bag(product)
            for model, answer in zip(self.river, row.tolist(), strict=True):
                model.learn_one(counted, answer)
        self.sgd = [SGDClassifier(loss="log_loss", alpha=1e-5) for _ in outputs]
        matrix = hashed(taught)
        for k, model in enumerate(self.sgd):
            model.partial_fit(matrix, answers[:, k], classes=(False, True))

    def measures(self, products: Sequence[Product]) -> Mapping[str, float]:
        """Each peer's seconds per product, by its name."""
        answers = truth(products, self.outputs)
        return {
            "vw multilabel, predict": self._multilabel(products, answers, f"-t -i {self.model}"),
            "vw multilabel, predict and learn": self._multilabel(products, answers, f"-i {self.model}"),
            "vw, active learners": self._active(products[:ACTIVE], answers),
            "river, predict": self._river(products[:RIVER], None),
            "river, predict and learn": self._river(products[:RIVER], answers),
            "scikit-learn, predict": self._sgd(products[:SGD], None),
            "scikit-learn, predict and learn": self._sgd(products[:SGD], answers),
        }

    def _multilabel(self, products: Sequence[Product], answers: Answers, how: str) -> float:
        learnt = products if "-t" in how else products[: len(products) // 4]
        file, said = lines(self.folder / "lines.txt", learnt, answers), self.folder / "said.txt"
        words = "" if "-t" in how else f"--multilabel_oaa {len(self.outputs)} {WORDS}"
        return timed(f"{how} {words} --quiet -p {said}", file, len(learnt))

    def _active(self, products: Sequence[Product], answers: Answers) -> float:
        """One learner for each output, that says how much a label would weigh and learns where it asks for one."""
        seconds = 0.0
        for k in range(len(self.outputs)):
            file = lines(self.folder / "binary.txt", products, answers[:, k])
            seconds += timed(
                f"--active --simulation --loss_function logistic {WORDS} -p {self.folder / 'said.txt'}", file, 1
            )
        return seconds / len(products)

    def _river(self, products: Sequence[Product], answers: Answers | None) -> float:
        before = process_time()
        for i, product in enumerate(products):
            counted = bag(product)
            for k, model in enumerate(self.river):
                model.predict_proba_one(counted)
                if answers is not None:
                    model.learn_one(counted, bool(answers[i, k]))
        return (process_time() - before) / len(products)

    def _sgd(self, products: Sequence[Product], answers: Answers | None) -> float:
        before = process_time()
        matrix = hashed(products)
        for k, model in enumerate(self.sgd):
            model.predict_proba(matrix)
            if answers is not None:
                model.partial_fit(matrix, answers[: len(products), k])
        return (process_time() - before) / len(products)


def bag(product: Product) -> dict[str, float]:
    return dict.fromkeys(features(product), 1.0)


def lines(path: Path, products: Sequence[Product], answers: Answers) -> Path:
    """Write products as Vowpal Wabbit reads them: with the outputs that are yes, or with a yes or no."""
    with path.open("w") as file:
        for product, row in zip(products, answers, strict=False):
            label = ("1" if row else "-1") if row.ndim == 0 else ",".join(map(str, np.flatnonzero(row).tolist()))
            file.write(f"{label} | {' '.join(words(product))}\n")
    return path


def drive(options: str) -> None:
    """Let Vowpal Wabbit's own driver go through a file."""
    vowpalwabbit.Workspace(options).finish()


def timed(options: str, file: Path, count: int) -> float:
    """Seconds per product of going through a file, less those of going through none."""
    empty = file.with_name("empty.txt")
    empty.write_text("")
    before = process_time()
    drive(f"{options} -d {empty}")
    started = process_time()
    drive(f"{options} -d {file}")
    return max(0.0, (process_time() - started) - (started - before)) / count


@contextmanager
def peers(
    taught: Sequence[Product], outputs: Sequence[str]
) -> Iterator[Callable[[Sequence[Product]], Mapping[str, float]]]:
    """The peers, taught, until their files go."""
    with tempfile.TemporaryDirectory() as folder:
        yield Peers(taught, outputs, Path(folder)).measures
