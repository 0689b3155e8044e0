"""A budget in labels per hour follows the feed's pace."""

import pytest

from models.messages import Tally
from service.allowance import Allowance


def tally(n, at, spent):
    """Of arrivals that were scored long after they came."""
    return Tally(
        topic="products", partition=0, first=0, last=n, model=1, policy="iwal", n=n, asked=0, chance=2 * spent,
        spent=spent, scale=1.0, outputs={}, newest=at, at=2e9,
    )  # fmt: skip


def fed(allowance, *, per_second, seconds, start=1e9, step=10, floor=0.001):
    """Feed it a steady stream that spends what it may; return it."""
    spend(allowance, per_second=per_second, seconds=seconds, start=start, step=step, floor=floor)
    return allowance


def spend(allowance, *, per_second, seconds, start, step=10, floor=0.001):
    """The labels asked for while a steady stream goes by."""
    spent = 0.0
    for second in range(0, seconds + 1, step):
        arrivals = int(per_second * step)
        asked = arrivals * allowance.share(0.05, floor)
        allowance.seen(tally(arrivals, start + second, asked))
        spent += asked
    return spent


def test_the_pace_is_that_of_the_log():
    assert fed(Allowance(100.0), per_second=5, seconds=7200).arrivals_per_hour() == pytest.approx(18_000, rel=0.01)


def test_the_share_is_labels_over_arrivals():
    assert fed(Allowance(900.0), per_second=5, seconds=7200).share(0.3, 0.01) == pytest.approx(0.05, rel=0.01)


def test_until_the_pace_is_known_the_fixed_share_holds():
    assert fed(Allowance(900.0), per_second=5, seconds=30).share(0.3, 0.01) == 0.3


def test_without_a_number_of_labels_the_fixed_share_holds():
    assert fed(Allowance(None), per_second=5, seconds=7200).share(0.3, 0.01) == 0.3


@pytest.mark.parametrize(("labels", "expected"), [(1.0, 0.02), (1e9, 1.0)])
def test_the_share_stays_between_the_floor_and_one(labels, expected):
    assert fed(Allowance(labels), per_second=5, seconds=7200).share(0.3, 0.02) == expected


def test_a_change_of_pace_is_followed_within_hours():
    allowance = fed(Allowance(900.0), per_second=5, seconds=7200)

    fed(allowance, per_second=10, seconds=3 * 3600, start=1e9 + 7210)

    assert allowance.share(0.3, 0.01) == pytest.approx(0.025, rel=0.15)


def test_a_backlog_read_at_once_is_no_rush():
    allowance = Allowance(900.0)
    for second in range(0, 7200, 100):
        allowance.seen(tally(500, 1e9 + second + 499 / 5, 25.0))

    assert allowance.arrivals_per_hour() == pytest.approx(18_000, rel=0.03)


def test_a_clock_that_goes_back_is_survived():
    allowance = fed(Allowance(900.0), per_second=5, seconds=7200)

    allowance.seen(tally(50, 9.5e8, 2.5))
    fed(allowance, per_second=5, seconds=3600, start=1e9 + 7210)

    assert allowance.share(0.3, 0.01) == pytest.approx(0.05, rel=0.02)


def rested(hours, **settings):
    """Labels, in hours' worth, asked for in the six hours after a rest of so many, during which nothing arrived."""
    allowance = fed(Allowance(900.0, **settings), per_second=5, seconds=7200)
    return spend(allowance, per_second=5, seconds=6 * 3600, start=1e9 + 7200 + 3600 * hours) / 900.0


def test_what_a_quiet_hour_left_is_asked_for_in_the_hours_after():
    assert rested(1) == pytest.approx(6.0 + 1.0, rel=0.02)


@pytest.mark.parametrize("hours", [0.0, 1.0, 3.0])
def test_no_more_is_carried_over_than_allowed(hours):
    assert rested(48, carry_over=hours) == pytest.approx(6.0 + hours, rel=0.02)


def test_a_quiet_night_of_few_arrivals_is_carried_over_like_one_of_none():
    allowance = fed(Allowance(900.0, carry_over=2.0), per_second=5, seconds=7200)
    night = spend(allowance, per_second=0.1, seconds=8 * 3600, start=1e9 + 7210)
    morning = spend(allowance, per_second=5, seconds=6 * 3600, start=1e9 + 7220 + 8 * 3600)

    assert night < 8 * 0.1 * 3600 + 1
    assert morning / 900.0 == pytest.approx(6.0 + 2.0, rel=0.02)


def test_what_a_rush_overspent_at_the_floor_is_forgotten_beyond_one_hour():
    allowance = fed(Allowance(900.0), per_second=5, seconds=7200)
    rush = spend(allowance, per_second=100, seconds=6 * 3600, start=1e9 + 7210, floor=0.01)
    after = spend(allowance, per_second=5, seconds=12 * 3600, start=1e9 + 7220 + 6 * 3600)

    assert rush / 900.0 > 6.0 + 15.0
    assert 10.0 < after / 900.0 < 11.1
