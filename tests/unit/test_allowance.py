"""A budget in labels per hour follows the feed's pace."""

import pytest

from models.records import Record
from service.allowance import Allowance


def batch(n, at):
    return [Record("products", 0, i, None, b"", at) for i in range(n)]


def fed(allowance, *, per_second, seconds, start=1e9, step=10):
    for second in range(0, seconds + 1, step):
        allowance.seen(batch(per_second * step, start + second))
    return allowance


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
        allowance.seen([Record("products", 0, i, None, b"", 1e9 + second + i / 5) for i in range(500)])

    assert allowance.arrivals_per_hour() == pytest.approx(18_000, rel=0.03)


def test_a_clock_that_goes_back_is_survived():
    allowance = fed(Allowance(900.0), per_second=5, seconds=7200)

    allowance.seen(batch(50, 5.0))
    fed(allowance, per_second=5, seconds=3600, start=1e9 + 7210)

    assert allowance.share(0.3, 0.01) == pytest.approx(0.05, rel=0.02)
