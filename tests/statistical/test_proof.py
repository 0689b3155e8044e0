"""Proofs of quality over a thousand replays: estimates without bias, bounds that hold at all times.

Every check is made twice: the way the service does it, which must pass, and a wrong way, which must fail.
The replays of one stream are the columns of one set of sums, as if they were outputs.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import chi2

from models.confidence import evidence, tuned
from models.estimates import answered_shares, figures, guesses
from models.sums import FIELDS, SIDES, Sums, nothing, of_answers

RUNS, ARRIVALS, BLOCK = 1_000, 1_500, 50
FLOOR, ALPHA = 0.05, 0.05
GUESS = guesses(nothing(RUNS))
PREVALENCES = (0.03, 0.1, 0.5)


@dataclass(frozen=True)
class Stream:
    """What arrived: scores that are off, decisions, and the truth; (n,) each. The stream shifts half way."""

    scores: np.ndarray
    positive: np.ndarray
    truth: np.ndarray


def a_stream(prevalence, seed=0, arrivals=ARRIVALS, lean=0.0):
    draw = np.random.default_rng([seed, int(1_000 * prevalence)])
    logits = draw.normal(np.log(prevalence / (1 - prevalence)) * 1.6, 2.5, arrivals)
    logits[arrivals // 2 :] += 1.0
    truth = draw.random(arrivals) < 1 / (1 + np.exp(-logits))
    served = 1 / (1 + np.exp(-(0.6 * logits + lean + draw.normal(0, 1, arrivals))))
    scores = served.astype(np.float32).astype(np.float64)
    return Stream(scores, scores >= 0.5, truth)


@dataclass(frozen=True)
class Look:
    """All replays after one block."""

    sums: Sums
    true: float  # true positives so far
    missed: float  # false negatives so far
    design: np.ndarray  # (2, RUNS) variance the draws alone make


def looks(stream, *, seed, clip=None, answering=1.0):
    """Replay with chances that depend on the coins and on the answers before; yield what is known after each block."""
    draw = np.random.default_rng(seed)
    scale, wrong = np.ones(RUNS), np.full(RUNS, 0.3)
    look = Look(nothing(RUNS), 0.0, 0.0, np.zeros((2, RUNS)))
    for start in range(0, len(stream.scores), BLOCK):
        part = slice(start, start + BLOCK)
        scores, positive, truth = (column[part, None] for column in (stream.scores, stream.positive, stream.truth))
        doubt = 4 * scores * (1 - scores)
        chance = FLOOR + (1 - FLOOR) * np.minimum(1, scale * (doubt + wrong) / 2)
        asked = draw.random(chance.shape) < chance
        answered = asked & (draw.random(chance.shape) < answering)
        scale = scale * np.exp(4 * (0.15 - asked.mean(axis=0)))
        found_wrong = (answered & (truth != positive)).sum(axis=0)
        wrong = 0.8 * wrong + 0.2 * found_wrong / np.maximum(1, answered.sum(axis=0))
        used = chance if clip is None else np.maximum(chance, 1 / clip)
        shape = chance.shape
        answers = of_answers(
            np.where(asked, used, np.nan),
            np.broadcast_to(scores, shape),
            np.broadcast_to(positive, shape),
            np.where(answered, truth, np.nan),
        )
        errors = np.where(answered, (truth - scores) ** 2 * (1 - chance) / chance**2, 0.0)
        look = Look(
            look.sums + arrived(scores[:, 0], positive[:, 0]) + answers,
            look.true + float((truth & positive).sum()),
            look.missed + float((truth & ~positive).sum()),
            look.design + np.stack([(errors * side).sum(axis=0) for side in (positive, ~positive)]),
        )
        yield look


def arrived(scores, positive):
    sums = nothing(RUNS)
    for name, value in (
        ("arrivals", len(scores)),
        ("positive", positive.sum()),
        ("mass_positive", scores[positive].sum()),
        ("mass_negative", scores[~positive].sum()),
    ):
        sums.exact[FIELDS.index(name)] = round(float(value) * 2**24)
    return sums


def offs(look, shares=None):
    """Estimates minus truths, (2, RUNS)."""
    shares = answered_shares(look.sums) if shares is None else shares
    return np.stack(
        [
            look.sums.of(f"mass_{side}") + look.sums.of(f"correction_{side}") / share - truth
            for side, share, truth in zip(SIDES, shares, (look.true, look.missed), strict=True)
        ]
    )


def unbiased(all_offs):
    """Whether means over replays are within chance of 0: their squared z values add up to a chi-square."""
    z = [side.mean() / (side.std() / np.sqrt(RUNS)) for off in all_offs for side in off]
    return sum(value**2 for value in z) <= chi2.ppf(0.999, len(z))


def outside(look):
    """Replays whose truth is outside the service's bounds, on either side of either sum."""
    reach, rho = 1 / FLOOR, tuned(GUESS, ALPHA / 4)
    variance = np.stack([look.sums.of(f"variance_{side}") for side in SIDES])
    return (evidence(np.abs(offs(look)), variance, reach, rho) >= np.log(4 / ALPHA)).any(axis=0)


def outside_normal(look):
    """The same of intervals of 1.96 standard errors."""
    return (np.abs(offs(look)) > 1.96 * np.sqrt(look.design)).any(axis=0)


def last(stream, **how):
    *_, look = looks(stream, **how)
    return look


LONG = a_stream(0.5, arrivals=6_000, lean=-1.5)  # scores too low throughout
STREAMS = {prevalence: a_stream(prevalence) for prevalence in PREVALENCES}


def test_estimates_are_unbiased_though_chances_depend_on_the_answers_before():
    assert unbiased([offs(last(stream, seed=1)) for stream in STREAMS.values()])


def test_clipped_weights_would_be_biased():
    assert not unbiased([offs(last(stream, seed=1, clip=5)) for stream in STREAMS.values()])


@pytest.mark.parametrize("prevalence", PREVALENCES)
def test_the_truth_stays_within_the_bounds_at_all_times(prevalence):
    ever = np.any([outside(look) for look in looks(STREAMS[prevalence], seed=2)], axis=0)

    assert ever.mean() <= ALPHA


@pytest.mark.parametrize("prevalence", PREVALENCES)
def test_looking_often_at_a_normal_interval_would_miss_the_truth(prevalence):
    ever = np.any([outside_normal(look) for look in list(looks(STREAMS[prevalence], seed=2))[6:]], axis=0)

    assert ever.mean() > ALPHA


@pytest.mark.slow
def test_bounds_over_clipped_weights_would_miss_the_truth():
    shares = [np.any([outside(look) for look in looks(LONG, seed=2, clip=clip)], axis=0).mean() for clip in (None, 3)]

    assert shares[0] <= ALPHA < shares[1]


@pytest.mark.parametrize("prevalence", PREVALENCES)
def test_bounds_of_precision_recall_and_f1_hold(prevalence):
    stream = STREAMS[prevalence]
    look = last(stream, seed=3)
    true, missed, positives = look.true, look.missed, float(stream.positive.sum())

    found = figures(look.sums, floor=FLOOR, alpha=ALPHA, guess=GUESS)

    truths = (true / positives, true / (true + missed), 2 * true / (positives + true + missed))
    held = [
        (figure.lower <= truth) & (truth <= figure.upper)
        for figure, truth in zip((found.precision, found.recall, found.f1), truths, strict=True)
    ]
    assert np.all(held, axis=0).mean() >= 1 - ALPHA


def test_those_who_answer_can_stand_for_the_rest():
    assert unbiased([offs(last(stream, seed=4, answering=0.6)) for stream in STREAMS.values()])


def test_taking_silence_for_agreement_with_the_score_would_be_biased():
    all_offs = [offs(last(stream, seed=4, answering=0.6), shares=(1.0, 1.0)) for stream in STREAMS.values()]

    assert not unbiased(all_offs)


def delayed(stream, seed, *, watermark):
    """Whether the truth is ever outside while positives are answered late; arrivals up to the watermark, or all."""
    draw, runs, cut = np.random.default_rng(seed), 300, 200
    arrivals = len(stream.scores)
    chance = np.clip(0.1 + 0.4 * stream.scores * (1 - stream.scores), FLOOR, 1)[:, None]
    asked = draw.random((arrivals, runs)) < chance
    delay = draw.exponential(np.where(stream.truth, 2_000.0, 100.0)[:, None], asked.shape)
    ends = np.where(asked, np.arange(arrivals)[:, None] + delay, 0.0)
    wrong = (stream.truth - stream.scores)[:, None]
    error = np.where(asked, wrong / chance, 0.0)
    ever = np.zeros(runs, np.bool_)
    for now in range(cut, arrivals + 1, cut):
        settled = ends[:now] <= now
        # Whole blocks, as they are tallied: the first that waits holds up those behind it.
        blocks = np.logical_and.accumulate(settled.reshape(-1, BLOCK, runs).all(axis=1))
        counted = np.repeat(blocks, BLOCK, axis=0) if watermark else np.ones_like(settled)
        known = np.where(settled & counted, error[:now], 0.0)
        off = known - np.where(counted, wrong[:now], 0.0)
        for side in (stream.positive[:now, None], ~stream.positive[:now, None]):
            variance, reach = (known**2 * side).sum(axis=0), 1 / FLOOR
            reached = evidence(np.abs((off * side).sum(axis=0)), variance, reach, tuned(GUESS[0, 0], ALPHA / 4))
            ever |= reached >= np.log(4 / ALPHA)
    return ever.mean()


def test_slow_answers_do_no_harm_behind_the_watermark():
    assert delayed(LONG, 5, watermark=True) <= ALPHA


def test_without_the_watermark_slow_answers_would_mislead():
    assert delayed(LONG, 5, watermark=False) > ALPHA
