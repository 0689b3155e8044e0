"""What a doubling of the labels brought: its bounds hold for all doublings together, so few outputs end too early.

Two hundred streams of the same arrivals stand beside each other as outputs; coins alone differ.
"""

import numpy as np
import pytest

from models.estimates import guesses
from models.messages import OutputTally
from models.sums import nothing, of_answers, of_arrivals
from service.epochs import Epoch
from service.stopping import doublings
from service.stretches import Stretch, stretch_at

STREAMS, ARRIVALS, BLOCK, ALPHA = 200, 32_768, 256, 0.05
NAMES = tuple(f"stream {k}" for k in range(STREAMS))
IMPROVES = (0.38, 0.32, 0.26, 0.20, 0.14, 0.08)  # share of mistakes, stretch by stretch: 60 in 1,000 fewer each time
LEVEL = (0.38, 0.20, 0.08, 0.08, 0.08, 0.08)


def blocks(mistakes, floor, seed=0):
    """The sums of every block: (stretch, sums), with coins whose chances follow from the one before."""
    draw, last = np.random.default_rng(seed), np.zeros(STREAMS)
    share = np.repeat([mistakes[stretch_at(n)] for n in range(0, ARRIVALS, BLOCK)], BLOCK)
    wrong = np.diff(np.floor(np.cumsum(share)), prepend=0.0) > 0.0
    for start in range(0, ARRIVALS, BLOCK):
        place = np.arange(start, start + BLOCK)
        positive, sure = place % 5 == 0, place % 3 > 0
        scores = np.where(positive, 0.8, 0.1)
        chance = np.where(sure[:, None], floor, floor + 0.2 * (1.5 - last))
        asked = draw.random(chance.shape) < chance
        last = asked[-1].astype(float)
        shares = np.broadcast_to((positive ^ wrong[place]).astype(float)[:, None], chance.shape)
        tally = OutputTally(
            positive=int(positive.sum()),
            mass_positive=float(scores[positive].sum()),
            mass_negative=float(scores[~positive].sum()),
        )
        sums = of_arrivals(BLOCK, dict.fromkeys(NAMES, tally), NAMES)
        wide = [np.broadcast_to(one[:, None], chance.shape) for one in (scores, positive)]
        yield stretch_at(start), sums + of_answers(np.where(asked, chance, np.nan), *wide, shares)


def found(mistakes, floor):
    """The doublings of all streams, each with bounds for itself alone."""
    stretches, total = {}, nothing(STREAMS)
    for number, sums in blocks(mistakes, floor):
        stretches[number] = stretches.get(number, nothing(STREAMS)) + sums
        total += sums
    rows = [Stretch(number, int(sums.of("arrivals")[0]), sums) for number, sums in stretches.items()]
    epoch = Epoch(1, "first outputs", 0.0, NAMES, guesses(nothing(STREAMS)), floor, ARRIVALS, 0, 0, total)
    return doublings(epoch, rows, ALPHA * STREAMS)


def finished(mistakes, floor, least_gain):
    """Streams that were ever shown to gain less."""
    return np.any([one.answered & (one.avoided.upper < least_gain) for one in found(mistakes, floor)], axis=0)


def peeking(mistakes, floor, least_gain):
    """The same by intervals of 1.96 standard errors, looked at after every block from 2,048 arrivals on."""
    fields = [f"{name}_{side}" for name in ("mass", "correction", "variance") for side in ("positive", "negative")]
    parts = np.array([[sums.of(name) for name in ("positive", *fields)] for _, sums in blocks(mistakes, floor)])
    wrong = parts[:, 0] - parts[:, 1] - parts[:, 3] + parts[:, 2] + parts[:, 4]
    wrong, spread = (np.cumsum(one, axis=0) for one in (wrong, parts[:, 5] + parts[:, 6]))
    ends = np.zeros(STREAMS, bool)
    for end in range(8, len(parts) + 1, 4):
        first, second = end // 4, end // 2
        cut = [0 if at == 0 else at - 1 for at in (first, second, end)]
        errors = (wrong[cut[1]] - wrong[cut[0]]) / first - (wrong[cut[2]] - wrong[cut[1]]) / second
        squares = (spread[cut[1]] - spread[cut[0]]) / first**2 + (spread[cut[2]] - spread[cut[1]]) / second**2
        ends |= (errors + 1.96 * np.sqrt(squares)) * 1_000 / BLOCK < least_gain
    return ends


@pytest.mark.parametrize("mistakes", [IMPROVES, LEVEL])
def test_what_a_doubling_brought_lies_within_the_bounds_of_all_doublings_together(mistakes):
    doublings_found = found(mistakes, 0.05)
    true = [1_000 * (mistakes[i] - mistakes[i + 1]) for i in range(1, 5)]

    # A stretch has its share of mistakes but for a fraction of one.
    inside = [
        (one.avoided.lower < gain + 1.0) & (gain - 1.0 < one.avoided.upper)
        for one, gain in zip(doublings_found, true, strict=True)
    ]
    assert np.all(inside, axis=0).mean() >= 1.0 - ALPHA


def test_outputs_that_still_improve_are_hardly_ever_finished():
    assert finished(IMPROVES, 0.05, 59.0).mean() <= ALPHA


def test_normal_intervals_looked_at_after_every_block_finish_them_far_too_often():
    assert peeking(IMPROVES, 0.05, 59.0).mean() > 5 * ALPHA


def test_outputs_that_stopped_improving_are_finished_once_the_answers_show_it():
    assert finished(LEVEL, 0.1, 59.0).mean() > 0.8
