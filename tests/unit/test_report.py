"""What the report says follows from the evidence; nothing more is claimed than it bears."""

import xml.etree.ElementTree as ET

import msgspec
import numpy as np
import pytest

from models.estimates import guesses
from models.messages import OutputTally
from models.sums import nothing, of_answers, of_arrivals
from service.drawing import draw
from service.epochs import Epoch
from service.report import Report, claim, make_report, section, since_launch


def an_epoch(outputs=("red", "rare"), *, answers=400, chance=0.5, right=1.0, number=1, missing=0.0):
    """An epoch whose outputs are all alike: half decided positive, `right` of all decisions correct."""
    draw_ = np.random.default_rng(0)
    shape = (answers, len(outputs))
    positive = np.arange(answers)[:, None] % 2 == np.zeros(len(outputs))
    scores = np.where(positive, 0.75, 0.25)
    truth = np.where(draw_.random((answers, 1)) < right, positive, ~positive).astype(float)
    shares = np.where(np.arange(answers)[:, None] < missing * answers, np.nan, truth)
    n = int(answers / chance)
    tallied = OutputTally(positive=n // 2, mass_positive=0.375 * n, mass_negative=0.125 * n)
    sums = of_arrivals(n, dict.fromkeys(outputs, tallied), outputs)
    sums += of_answers(np.full(shape, chance), scores, positive, shares)
    return Epoch(
        number, "first outputs", 1e9, tuple(outputs), guesses(nothing(len(outputs))), chance, n, answers, 0, sums
    )


def test_every_estimate_lies_between_its_bounds():
    found = section(an_epoch(right=0.9))

    for output in found.outputs:
        for figure in (output.prevalence, output.precision, output.recall, output.f1):
            assert 0 <= figure.lower <= figure.estimate <= figure.upper <= 1


def test_a_claim_for_all_takes_more_than_each_one_by_itself():
    epoch = an_epoch([f"output {k}" for k in range(100)])
    lowest = section(epoch).outputs[0].precision.lower

    found = claim(epoch, lowest - 0.001, 0.0)

    assert (found.holds, len(found.unproven)) == (False, 100)


def test_a_claim_names_what_is_unproven():
    known, unknown = an_epoch(("red",), answers=40_000), an_epoch(("rare",), answers=2)
    both = known._replace(
        outputs=("red", "rare"),
        guess=np.hstack([known.guess, unknown.guess]),
        sums=type(known.sums)(np.hstack([known.sums.exact, unknown.sums.exact])),
    )

    found = claim(both, 0.9, 0.9)

    assert (found.met, found.unproven, found.holds) == (("red",), ("rare",), False)


def test_since_launch_adds_up_what_each_output_was_in_any_epoch():
    before = an_epoch(("old", "red"), answers=100)
    after = an_epoch(("red", "new"), answers=200, number=2)

    found = section(since_launch([before, after]))

    assert [(output.output, output.labels) for output in found.outputs] == [("red", 300), ("new", 200)]
    assert (found.epoch, found.arrivals, found.asked) == (0, 600, 300)


def test_unanswered_questions_widen_what_could_be():
    found = section(an_epoch(missing=0.5)).outputs[0]

    low, high = found.if_unanswered["precision"]
    assert found.answered == 0.5
    assert low < found.precision.estimate <= high


def test_an_empty_ledger_has_no_report_and_a_new_one_knows_nothing(desk):
    desk.ledger._sql.execute("DELETE FROM epochs")
    empty = make_report(desk.ledger.evidence)
    desk.ledger.evidence.open_epoch(("red",), "first outputs", 0.0)
    new = make_report(desk.ledger.evidence, precision=0.9)

    assert empty is None
    assert isinstance(new, Report)
    assert (new.now.outputs[0].precision.estimate, new.claim.unproven) == (None, ("red",))


def test_the_report_is_plain_json(desk):
    plain = make_report(desk.ledger.evidence, recall=0.5).as_json()

    assert msgspec.json.decode(msgspec.json.encode(plain))["claim"]["holds"] is False


@pytest.mark.parametrize("html", [False, True])
def test_the_drawing_shows_every_output_whatever_its_name(html):
    drawn = draw(section(an_epoch(("<b>&", "a" * 200))), html=html)

    image = ET.fromstring(drawn[drawn.index("<svg") : drawn.index("</svg>") + 6])
    titles = [title.text.split(":")[0] for title in image.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["<b>&"] * 3 + ["a" * 200] * 3
