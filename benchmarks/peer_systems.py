"""The systems people use today, each made to fit one protocol: scikit-learn, scikit-activeml, river, Vowpal Wabbit.

All read words and pairs of words of title, brand, feed and description. Settings were tuned once on fashion_styles,
seed 0 (learning rates of Vowpal Wabbit and river, alpha of SGD), and are the same for every feed.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
import vowpalwabbit
from numpy.typing import NDArray
from river import linear_model, optim
from skactiveml.base import SkactivemlClassifier
from skactiveml.stream import VariableUncertainty
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.preprocessing import normalize

from models.messages import Product
from service.division import Data

BITS: Final = 18
WORD: Final = re.compile(r"\w+")
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


def words(product: Product) -> list[str]:
    parts = (product.title, product.brand, product.feed, product.description)
    return WORD.findall(" ".join(part for part in parts if part).lower())


def features(product: Product) -> list[str]:
    single = words(product)
    return single + [f"{first} {second}" for first, second in pairwise(single)]


def hashed(products: Sequence[Product]) -> sp.csr_matrix:
    vectors = HashingVectorizer(analyzer=features, n_features=2**BITS, alternate_sign=False, norm="l2")
    return vectors.transform(products)


def sigmoid(margins: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(margins, -30, 30)))


class Refitted:
    """scikit-learn: TF-IDF and a logistic regression per output, fitted anew from all answers so far.

    `passive` and `full` need no model between points and are fitted there only. `least_positive` asks where the highest
    output is lowest: above a quantile of the last 640 such values, with a tenth of the budget spent at random.
    """

    def __init__(self, data: Data, policy: str, seed: int, share: float) -> None:
        self.data, self.policy, self.share = data, policy, share
        self.coin = np.random.default_rng([seed, 1])
        self.vectors = CountVectorizer(analyzer=features)
        self.counts = self.vectors.fit_transform(data.stream).astype(np.float32)
        self.rows: list[int] = []
        self.fitted = 0
        self.recent: Floats = np.empty(0)

    def weighed(self, counts: sp.csr_matrix) -> sp.csr_matrix:

        counts = counts.copy()
        counts.data *= self.rarity[counts.indices]
        return normalize(counts, copy=False)

    def refit(self, seen: int) -> None:
        found = np.bincount(self.counts[:seen].indices, minlength=self.counts.shape[1])
        self.rarity = (np.log((1 + seen) / (1 + found)) + 1).astype(np.float32)
        taken = self.weighed(self.counts[self.rows])
        used = np.unique(taken.indices)
        taken, answers = taken[:, used], self.data.answers[self.rows]
        count, outputs = answers.shape
        self.weights = np.zeros((self.counts.shape[1], outputs), np.float32)
        positives = answers.sum(axis=0)
        self.bias = np.log((positives + 0.5) / (count - positives + 0.5))  # of an output seen one way only
        for k in np.flatnonzero((positives > 0) & (positives < count)):
            # The dual with this tolerance scores like the default solver and is several times faster.
            model = LogisticRegression(solver="liblinear", C=30.0, dual=True, tol=1e-2, random_state=0)
            model.fit(taken, answers[:, k])
            self.weights[used, k], self.bias[k] = model.coef_[0], model.intercept_[0]
        self.fitted = count

    def wishes(self, first: int, stop: int) -> Mask | None:
        if self.policy == "full":
            return np.ones(stop - first, np.bool_)
        if self.policy == "passive" or not self.fitted:
            return None
        value = 1 - sigmoid(self.weighed(self.counts[first:stop]) @ self.weights + self.bias).max(axis=1)
        self.recent = np.concatenate([self.recent, value])[-640:]
        ahead = 2_000  # products over which what is left of the budget is to be spent
        rate = float(np.clip((self.share * (stop + ahead) - len(self.rows)) / ahead, 0.0, 0.4))
        above = value > np.quantile(self.recent, 1 - 0.9 * rate)
        return above | (self.coin.random(stop - first) < 0.1 * rate)

    def learn(self, rows: Sequence[int], seen: int) -> None:
        self.rows += rows
        if self.policy == "least_positive" and len(self.rows) >= max(50, 1.2 * self.fitted):
            self.refit(seen)

    def finish(self, seen: int) -> None:
        if len(self.rows) != self.fitted:
            self.refit(len(self.data.stream) if self.policy == "full" else seen)

    def margins(self) -> Floats:
        held = self.vectors.transform(self.data.held).astype(np.float32)
        return self.weighed(held) @ self.weights + self.bias


class Variable:
    """scikit-activeml: VariableUncertainty over an SGDClassifier per output.

    The strategy knows one classifier, so it is given the mean over outputs of min(p, 1 - p) as a probability.
    """

    def __init__(self, data: Data, policy: str, seed: int, share: float) -> None:
        class Given(SkactivemlClassifier):
            def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Given":  # noqa: ARG002, N803 - their names
                return self

            def predict_proba(self, X: Any) -> Floats:  # noqa: N803 - its name
                doubt = np.asarray(X)[:, 0]
                return np.column_stack([1 - doubt, doubt])

        self.data, self.policy = data, policy
        self.matrix = hashed(data.stream)
        self.models = [
            SGDClassifier(loss="log_loss", alpha=1e-5, learning_rate="optimal", random_state=seed) for _ in data.outputs
        ]
        self.started = False
        self.strategy = VariableUncertainty(budget=share, random_state=seed)
        self.given = Given(classes=[0, 1])

    def scores(self, matrix: sp.csr_matrix) -> Floats:
        if not self.started:
            return np.zeros((matrix.shape[0], len(self.models)))
        return np.column_stack([matrix @ model.coef_[0] + model.intercept_[0] for model in self.models])

    def wishes(self, first: int, stop: int) -> Mask | None:
        if self.policy == "passive":
            return None
        sure = sigmoid(self.scores(self.matrix[first:stop]))
        asked = np.zeros(stop - first, np.bool_)
        for row, doubt in enumerate(np.minimum(sure, 1 - sure).mean(axis=1)):
            candidate = np.array([[doubt]])
            picked = self.strategy.query(candidates=candidate, clf=self.given)
            self.strategy.update(candidate, picked)
            asked[row] = len(picked) > 0
        return asked

    def learn(self, rows: Sequence[int], seen: int) -> None:  # noqa: ARG002 - the protocol's
        for k, model in enumerate(self.models):
            model.partial_fit(self.matrix[rows], self.data.answers[rows, k], classes=(False, True))
        self.started = True

    def finish(self, seen: int) -> None: ...

    def margins(self) -> Floats:
        return self.scores(hashed(self.data.held))


class River:
    """river: a LogisticRegression per output over hashed words, uniform chance."""

    def __init__(self, data: Data, policy: str, seed: int, share: float) -> None:  # noqa: ARG002 - as the others

        self.data = data
        self.matrix = hashed(data.stream)
        self.models = [linear_model.LogisticRegression(optim.SGD(3.0), intercept_lr=3.0) for _ in data.outputs]

    def wishes(self, first: int, stop: int) -> Mask | None: ...

    def learn(self, rows: Sequence[int], seen: int) -> None:  # noqa: ARG002 - the protocol's
        for row in rows:
            one = self.matrix[row]
            words = dict(zip(one.indices.tolist(), one.data.tolist(), strict=True))
            for model, answer in zip(self.models, self.data.answers[row].tolist(), strict=True):
                model.learn_one(words, answer)

    def finish(self, seen: int) -> None: ...

    def margins(self) -> Floats:
        weights = np.zeros((2**BITS, len(self.models)))
        for k, model in enumerate(self.models):
            for word, weight in model.weights.items():
                weights[word, k] = weight
        return hashed(self.data.held) @ weights + [model.intercept for model in self.models]


class VowpalWabbit:
    """Vowpal Wabbit: a logistic learner of its own per output, pairs of words its own way, uniform chance."""

    def __init__(self, data: Data, policy: str, seed: int, share: float) -> None:  # noqa: ARG002 - as the others

        options = f"--loss_function logistic -b {BITS} --ngram 2 --hash all --quiet --no_stdin -l 5"
        self.data = data
        self.models = [vowpalwabbit.Workspace(f"{options} --random_seed {1 + seed}") for _ in data.outputs]

    def wishes(self, first: int, stop: int) -> Mask | None: ...

    def learn(self, rows: Sequence[int], seen: int) -> None:  # noqa: ARG002 - the protocol's
        for row in rows:
            text = " ".join(words(self.data.stream[row]))
            for model, answer in zip(self.models, self.data.answers[row].tolist(), strict=True):
                model.learn(f"{1 if answer else -1} | {text}")

    def finish(self, seen: int) -> None: ...

    def margins(self) -> Floats:
        # Parsed once for all: the hashing is the same in every learner.
        held = [self.models[0].parse("| " + " ".join(words(product))) for product in self.data.held]
        return np.array([[model.predict(example) for example in held] for model in self.models]).T
