"""What the labels of one stretch of an epoch brought the next ends asking where it is too little; a setting, off."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from models.chance import query_id
from models.coding import encode
from models.messages import Because, OutputTally, Product, Query, Tally
from service.learning import show_quality
from service.metrics import Metrics
from service.stopping import Cause, Targets, doublings, gained
from service.stretches import FIRST, stretch_at

OUTPUTS = ("red", "shoe", "rare")
BLOCK, ASKED = 512, 16
CHANCE = ASKED / BLOCK
PAYS = Targets(least_gain=400.0)


def tell(desk, blocks, *, first=0, right=True):
    """Blocks of arrivals, some of each asked about and answered; red is decided positive of all, the others of none."""
    for block in range(first, first + blocks):
        start = block * BLOCK
        outputs = {
            name: OutputTally(
                positive=BLOCK * (name == "red"), mass_positive=BLOCK * (name == "red"), mass_negative=0.0
            )
            for name in OUTPUTS
        }
        tally = Tally(
            topic="products", partition=0, first=start, last=start + BLOCK - 1, model=0, policy="iwal", n=BLOCK,
            asked=ASKED, chance=float(ASKED), scale=1.0, outputs=outputs, at=1e9,
        )  # fmt: skip
        told = [desk.record("tallies", "products/0", encode(tally))]
        for offset in range(start, start + ASKED):
            query = Query(
                id=query_id("s", f"products/0/{offset}"), arrival=f"products/0/{offset}", ask=list(OUTPUTS),
                chance=CHANCE, model=0, scores=np.array([1, 0, 0], "<f4").tobytes(), positive=["red"], policy="iwal",
                product=Product(id=f"p{offset}", title="red"), priority=0.0, asked_at=1e9, expires_at=2e9,
                because=Because(disagreement={}, combined=0.0, floor=CHANCE, scale=1.0, threshold={}),
            )  # fmt: skip
            answers = {"red": right, "shoe": not right, "rare": not right}
            told += [desk.record("queries", query.id, encode(query)), desk.label(query.id, answers=answers)]
        desk.tell(*told)


def over(desk):
    evidence = desk.ledger.evidence
    epoch = evidence.epoch()
    return doublings(epoch, evidence.stretches.of(epoch.number, len(OUTPUTS)))


@pytest.mark.parametrize(
    ("n", "number"), [(0, 0), (FIRST - 1, 0), (FIRST, 1), (2 * FIRST, 2), (4 * FIRST - 1, 2), (4 * FIRST, 3)]
)
def test_each_stretch_is_as_long_as_all_before_it(n, number):
    assert stretch_at(n) == number


def test_a_doubling_is_judged_when_it_is_over(desk):
    tell(desk, 7)
    early = over(desk)
    tell(desk, 1, first=7)

    assert (early, [one.arrivals for one in over(desk)]) == ([], [8 * BLOCK])


def test_an_output_that_gains_too_little_is_finished_and_why_is_said(desk):
    tell(desk, 8)

    assert PAYS.finished(desk.ledger.evidence) == dict.fromkeys(sorted(OUTPUTS), Cause.SPENT)


def test_an_output_that_gained_enough_goes_on(desk):
    tell(desk, 4, right=False)
    tell(desk, 4, first=4)

    assert gained(desk.ledger.evidence)["shoe"].upper > PAYS.least_gain
    assert PAYS.finished(desk.ledger.evidence) == {}


def test_an_output_whose_mistakes_become_more_goes_on(desk):
    tell(desk, 4)
    tell(desk, 4, first=4, right=False)

    assert gained(desk.ledger.evidence)["shoe"].upper < 0.0
    assert PAYS.finished(desk.ledger.evidence) == {}


def test_fewer_labels_than_before_show_nothing(desk):
    tell(desk, 8)
    stretches = desk.ledger.evidence.stretches.of(1, len(OUTPUTS))
    fewer = [stretches[0], stretches[1], stretches[2]._replace(sums=stretches[2].sums.arrivals())]

    (one,) = doublings(desk.ledger.evidence.epoch(), fewer)
    assert not one.answered.any()


def test_a_stretch_that_began_in_the_middle_is_not_compared(desk):
    tell(desk, 8)
    first, second, third = desk.ledger.evidence.stretches.of(1, len(OUTPUTS))

    assert doublings(desk.ledger.evidence.epoch(), [first, second._replace(n=100), third]) == []


def test_without_the_setting_gains_are_known_and_end_nothing(desk):
    tell(desk, 8)

    assert Targets().finished(desk.ledger.evidence) == {}
    assert set(gained(desk.ledger.evidence)) == set(OUTPUTS)


def test_what_is_finished_stays_so_while_the_epoch_lasts(desk):
    tell(desk, 8)
    tell(desk, 8, first=8, right=False)

    assert set(PAYS.finished(desk.ledger.evidence)) == set(OUTPUTS)


def test_a_new_epoch_begins_to_ask_again(desk):
    tell(desk, 8)
    with desk.ledger.transaction():
        desk.ledger.evidence.open_epoch(OUTPUTS, "drift", 1.3e9)

    assert PAYS.finished(desk.ledger.evidence) == {}


def test_a_restart_finds_the_same(desk, new_desk):
    tell(desk, 8)
    before = gained(desk.ledger.evidence)

    desk.ledger.close()
    again = new_desk()

    assert gained(again.ledger.evidence) == before
    assert set(PAYS.finished(again.ledger.evidence)) == set(OUTPUTS)


def test_a_corrected_answer_changes_the_stretch_of_its_arrival_alone_and_the_sums_check(desk):
    tell(desk, 8)
    before = desk.ledger.evidence.stretches.of(1, 3)
    changed = query_id("s", f"products/0/{3 * BLOCK}")
    desk.tell(desk.label(changed, answers={"red": False}, at=1.15e9))

    after = desk.ledger.evidence.stretches.of(1, 3)
    assert [one.sums == other.sums for one, other in zip(before, after, strict=True)] == [True, False, True]
    assert desk.ledger.evidence.checks(1)


def test_sums_of_a_stretch_that_do_not_follow_from_the_answers_are_found(desk):
    tell(desk, 8)
    with desk.ledger.transaction():
        desk.ledger._sql.execute("UPDATE queries SET stretch = 0 WHERE arrived >= ?", (7 * BLOCK,))

    assert not desk.ledger.evidence.checks(1)


def test_the_log_and_the_gauge_say_why(desk):
    tell(desk, 8)
    registry = CollectorRegistry()
    half = SimpleNamespace(
        ledger=desk.ledger, targets=PAYS, finished=frozenset(), metrics=Metrics(registry, OUTPUTS, version="0")
    )
    with capture_logs() as lines:
        show_quality(half)

    (line,) = (one for one in lines if one["event"] == "finished")
    counted = [registry.get_sample_value("askance_finished_outputs", {"cause": cause}) for cause in Cause]
    assert (line["target_met"], line["no_longer_pays"], line["more"]["red"]) == (0, 3, "no_longer_pays")
    assert (counted, half.finished) == ([0.0, 3.0], frozenset(OUTPUTS))


def test_the_report_says_why(askance, desk, tmp_path):
    tell(desk, 8)
    desk.ledger.close()
    folder, file = ("--data-dir", desk.folder), tmp_path / "report.json"

    status, text = askance("report", "--check", *folder, "--set", "targets.least_gain=400", "--json", file)
    plain = json.loads(file.read_text())

    assert (status, "finished, no longer pays: rare, red, shoe" in text) == (0, True)
    assert plain["finished"] == dict.fromkeys(OUTPUTS, "no_longer_pays")
    assert plain["gained"]["red"]["upper"] < 400
