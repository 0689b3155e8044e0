"""Precision, recall, F1 and prevalence of every output, from few answers, with bounds that hold at all times.

The targets are facts about the arrivals evaluated so far: how many were decided positive and are (true positives), and
how many were decided negative and are positive (false negatives). Each is estimated by the sum of the scores of all
arrivals, corrected by the weighted errors of the scores where an answer is known (AIPW), and bounded on both sides at a
quarter of alpha. Precision, recall and F1 rise with the one and fall with the other, so the corners of that box bound
them together. Everything here is for K outputs at once.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.confidence import bound, tuned
from models.sums import SIDES, Sums

Doubles = NDArray[np.float64]

LEAST_ANSWERED: Final = 0.2  # an answered share below this is not corrected further
FIRST_GUESS: Final = (1_000.0, 2_000.0)  # of the variance on both sides; good for several real feeds, right for any
LEAST_FLOOR: Final = 1e-9  # a floor so low that bounds say nothing
AHEAD: Final = 20_000.0  # arrivals for which bounds are made tightest
_SEEN: Final = 1_000.0  # arrivals that the first guess is worth


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between its bounds; (K,) each. NaN is an estimate nothing is known of."""

    estimate: Doubles
    lower: Doubles
    upper: Doubles


@dataclass(frozen=True, slots=True)
class Figures:
    """The quality of K outputs over the arrivals evaluated."""

    prevalence: Interval
    precision: Interval
    recall: Interval
    f1: Interval
    true_positives: Interval  # of arrivals
    false_negatives: Interval


@dataclass(frozen=True, slots=True)
class Basis:
    """What figures rest on; (K,) each."""

    arrivals: Doubles
    labels: Doubles  # answers known
    answered: Doubles  # share of what was asked; NaN if nothing was
    effective: Doubles  # the number of equally weighted answers that would weigh as much
    score_positive: Doubles  # mean score where decided positive: what precision would be if scores were calibrated
    score_negative: Doubles  # mean score where decided negative
    brier: Doubles  # mean squared error of the scores


def basis(sums: Sums) -> Basis:
    """What is known, and how good the scores are as probabilities."""
    labels = sums.of("answered_positive") + sums.of("answered_negative")
    asked = sums.of("asked_positive") + sums.of("asked_negative")
    arrivals, positives = sums.of("arrivals"), sums.of("positive")
    return Basis(
        arrivals=arrivals,
        labels=labels,
        answered=_ratio(labels, asked, np.nan),
        effective=_per(sums.of("weight") ** 2, sums.of("weight_squared"), 0.0),
        score_positive=_ratio(sums.of("mass_positive"), positives, np.nan),
        score_negative=_ratio(sums.of("mass_negative"), arrivals - positives, np.nan),
        brier=_per(sums.of("squared_error"), arrivals * np.nan_to_num(_ratio(labels, asked, np.nan)), np.nan),
    )


def guesses(sums: Sums) -> Doubles:
    """How large the variance on either side (2, K) will grow, as the past suggests, for bounds yet to start."""
    past = np.stack([sums.of(f"variance_{side}") for side in SIDES])
    # As if the first guess had been seen over a first thousand arrivals.
    first = np.array(FIRST_GUESS)[:, None] * _SEEN / AHEAD
    guess: Doubles = (past + first) / (sums.of("arrivals") + _SEEN) * AHEAD
    return guess


def answered_shares(sums: Sums, lost: float = 0.0) -> Doubles:
    """The share answered of what was asked, by side (2, K); 1 where nothing was asked.

    Args:
        sums: of the arrivals evaluated.
        lost: share of all queries that never reached the ledger.

    """
    asked = np.stack([sums.of(f"asked_{side}") for side in SIDES])
    answered = np.stack([sums.of(f"answered_{side}") for side in SIDES])
    return np.maximum(_ratio(answered, asked, 1.0) * (1.0 - lost), LEAST_ANSWERED)


def figures(sums: Sums, *, floor: float, alpha: float, guess: Doubles, lost: float = 0.0) -> Figures:
    """Estimate and bound. Those who answered stand for those who did not.

    Args:
        sums: of the arrivals evaluated.
        floor: the least chance with which any of them was asked about; 0 if it is not known, then nothing is.
        alpha: the chance that for one output the truth is ever outside; for a claim about all K outputs, alpha / K.
        guess: (2, K) of `guesses`, made before the first of these arrivals.
        lost: share of all queries that never reached the ledger.

    """
    positives = sums.of("positive")
    sides = []
    for side, most, share, variance in zip(
        SIDES, (positives, sums.of("arrivals") - positives), answered_shares(sums, lost), guess, strict=True
    ):
        estimate = sums.of(f"mass_{side}") + sums.of(f"correction_{side}") / share
        reach, spread = 1.0 / (max(floor, LEAST_FLOOR) * share), sums.of(f"variance_{side}") / share**2
        wide = bound(spread, reach, tuned(variance, alpha / 4.0), alpha / 4.0)
        yes = sums.of(f"yes_{side}")
        no = sums.of(f"answered_{side}") - yes
        lower, upper = np.clip(estimate - wide, yes, most - no), np.clip(estimate + wide, yes, most - no)
        sides.append(Interval(estimate, lower, upper))
    return combine(sides[0], sides[1], positives, sums.of("arrivals"))


def combine(true: Interval, missed: Interval, positives: Doubles, arrivals: Doubles) -> Figures:
    """The figures in the middle and at the corners of a box of true positives and false negatives."""
    # The sums may leave what is possible, and must; shares of them may not.
    hits = np.stack([np.clip(true.estimate, true.lower, true.upper), true.lower, true.upper])
    misses = np.stack([np.clip(missed.estimate, missed.lower, missed.upper), missed.upper, missed.lower])
    return Figures(
        prevalence=_interval(hits + misses[[0, 2, 1]], arrivals),
        precision=_interval(hits, positives),
        recall=_interval(hits, hits + misses),
        f1=_interval(2.0 * hits, positives + hits + misses),
        true_positives=true,
        false_negatives=missed,
    )


def unanswered_range(sums: Sums) -> tuple[Interval, Interval]:
    """Estimates of true positives and false negatives if all that was not answered were no, or yes."""
    spans = []
    for side in SIDES:
        middle = sums.of(f"mass_{side}") + sums.of(f"correction_{side}")
        no = middle - sums.of(f"unanswered_mass_{side}")
        spans.append(Interval(middle, no, no + sums.of(f"unanswered_weight_{side}")))
    return spans[0], spans[1]


def _interval(part: Doubles, whole: Doubles) -> Interval:
    estimate, lower, upper = _ratio(part, np.broadcast_to(whole, part.shape), np.nan)
    return Interval(estimate, np.nan_to_num(lower, nan=0.0), np.nan_to_num(upper, nan=1.0))


def _ratio(part: Doubles, whole: Doubles, empty: float) -> Doubles:
    return np.clip(_per(part, whole, empty), 0.0, 1.0)


def _per(part: Doubles, whole: Doubles, empty: float) -> Doubles:
    return np.where(whole > 0.0, part / np.where(whole > 0.0, whole, 1.0), empty)
