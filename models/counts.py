"""What was answered so far, by output: how common each is, and which features speak for or against it."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.lessons import LearnerSettings
from models.state import State, array, moved, tensor
from models.table import Floats

_SMOOTHING: Final = 0.03  # answers of either kind that every feature is thought to have had beforehand
_SAMPLED: Final = 0.1  # least weight of a new sample in the running size of log odds


@dataclass(frozen=True, slots=True)
class Relevance:
    """How much a feature matters to each output, from how differently it is distributed over yes and no.

    The idea is that of Wang and Manning (2012): scale features by their log odds. Features that tell an output's
    positives from its negatives are regularised less.
    """

    positives: Floats  # (K,) answers
    negatives: Floats  # (K,)
    size: Floats  # (K,) root mean square of log odds over features
    even: float  # the part of a feature's weight that does not depend on the output

    def of(self, yes: Floats, seen: Floats) -> Floats:
        """Weights (rows, K), squared, for use in inner products; about one on average.

        Args:
            yes: (rows, K) positive answers about products that have the feature.
            seen: (rows,) answered products that have it.

        """
        odds = np.abs(self.log_odds(yes, seen)) / self.size
        weights: Floats = np.square(np.float32(self.even) + np.float32(1.0 - self.even) * odds)
        return weights

    def log_odds(self, yes: Floats, seen: Floats) -> Floats:
        """Log ratio (rows, K) of the odds of having the feature among positives to those among negatives."""
        some = np.float32(_SMOOTHING)
        # Where only some products were asked about an output, its answers are a like share of those of the feature.
        most = self.positives + self.negatives
        share = most / np.maximum(most.max(initial=1.0), 1.0)
        no = np.clip(seen[:, None] * share - yes, 0.0, self.negatives)
        yes = np.clip(yes, 0.0, self.positives)
        ratio = (yes + some) * (self.negatives - no + some) / ((self.positives - yes + some) * (no + some))
        odds: Floats = np.log(ratio)
        return odds


class Offsets(NamedTuple):
    """Logits (K,) that are added to what is learnt."""

    learning: Floats
    serving: Floats


class Counts:
    """Answers counted by output, plainly and by their weights."""

    def __init__(self, width: int, *, even: float = 0.5) -> None:
        self._even = even
        self._plain = np.zeros((2, width))  # positives, all
        self._weighted = np.zeros((2, width))
        self._size = np.ones(width)  # mean square of log odds over features
        self._samples = 0

    def add(self, targets: Floats, weights: Floats, sign: float) -> None:
        """Count one product's answers, or with sign -1 take them back."""
        given = ~np.isnan(targets)
        each = np.stack([targets, np.ones_like(targets)])[:, given].astype(np.float64)
        self._plain[:, given] += sign * each
        self._weighted[:, given] += sign * each * weights[given]

    def prevalence(self) -> NDArray[np.float64]:
        """Share of yes among weighted answers; an output never asked about is thought rare."""
        yes, answers = np.maximum(self._weighted, 0.0)
        # As if one answer of average weight had said yes by a twentieth.
        unit = max(1.0, float(answers.sum()) / max(1.0, float(self._plain[1].sum())))
        share: NDArray[np.float64] = np.clip((yes + 0.05 * unit) / (answers + unit), 1e-4, 0.9999)
        return share

    def arrivals(self) -> NDArray[np.float64]:
        """How many arrivals the answers of each output stand for (K,): the sum of their weights."""
        arrivals: NDArray[np.float64] = np.maximum(self._weighted[1], 0.0)
        return arrivals

    def bias(self) -> Floats:
        """The logit of the prevalence."""
        prevalence = self.prevalence()
        return np.log(prevalence / (1.0 - prevalence)).astype(np.float32)

    def offsets(self, settings: LearnerSettings) -> Offsets:
        """What the logit of the prevalence adds to the logits while learning, and while serving.

        What is added while learning alone need not be learnt and is missing from what is served, so that scores favour
        what is rare (logit adjustment: Menon et al. 2021, equation 10).
        """
        bias, started = self.bias(), np.float32(settings.prior_bias)
        return Offsets(bias * (started + np.float32(settings.logit_adjustment)), bias * started)

    def relevance(self) -> Relevance:
        """As of now."""
        positives, answers = np.maximum(self._plain, 0.0).astype(np.float32)
        size = np.sqrt(self._size).astype(np.float32)
        return Relevance(positives, np.maximum(answers - positives, 0.0), size, self._even)

    def sample(self, yes: Floats, seen: Floats) -> None:
        """Move the running size of log odds towards that of some features."""
        if len(seen):
            odds = self.relevance().log_odds(yes, seen).astype(np.float64)
            self._samples += 1
            moved_by = max(_SAMPLED, 1.0 / self._samples)
            self._size += moved_by * (np.mean(odds * odds, axis=0) - self._size)
            np.maximum(self._size, 0.01, out=self._size)

    def rearrange(self, sources: NDArray[np.int64]) -> None:
        """Go on with other outputs: output i is what was `sources[i]`, or never answered where that is -1."""
        self._plain = moved(self._plain, sources, 0.0, axis=1)
        self._weighted = moved(self._weighted, sources, 0.0, axis=1)
        self._size = moved(self._size, sources, 1.0)

    def state(self) -> State:
        """All counts."""
        return {
            "plain": tensor(self._plain),
            "weighted": tensor(self._weighted),
            "size": tensor(self._size),
            "samples": tensor([self._samples]),
        }

    def restore(self, state: State) -> None:
        """Become the counts whose state this is."""
        self._plain, self._weighted, self._size = (
            array(state[name]).astype(np.float64) for name in ("plain", "weighted", "size")
        )
        self._samples = int(state["samples"][0])
