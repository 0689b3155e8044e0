"""The whole service on the embedded log, stopped and broken at every boundary: nothing lost, nothing done twice."""

import itertools
import re
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from models.coding import decode
from models.faults import LogRefused, LogUnavailable
from models.messages import Prediction
from models.records import Outgoing, Position
from producers.port import DeliveryFailed
from producers.sqlite_file import FILE
from service.assembly import clients
from service.ledger import Ledger
from service.reading import in_order
from shared.shop import PRODUCTS, SMALL, Fault, Killed, Shop


def told_everything(shop):
    """Labels as annotators send them: most before their query, then again, corrected, bad, late, and some never."""
    shop.label(lambda n: n < 30)
    shop.label(lambda n: n < 10)
    with closing(shop.writer()) as writer:
        writer.publish([Outgoing("labels", str(n).encode(), b"\xc1") for n in range(5)], None)


def told_the_rest(shop):
    shop.label(lambda n: 20 <= n < 45)
    shop.label(lambda n: n < 5, answers={"red": None, "shoe": True})
    shop.label(lambda n: 45 <= n < 50, answers={}, skipped=True)
    with closing(shop.writer()) as writer:
        writer.publish([Outgoing("labels", b"", b"{")], None)


WHOLE = {"issued": 60, "answered": 45, "skipped": 5, "expired": 0, "withdrawn": 0, "open": 10}


def whole(shop):
    """Everything that must hold in the end, whatever happened on the way."""
    predicted, rejected = shop.said()
    assert predicted == Counter(dict.fromkeys(shop.arrivals(), 1))
    assert (set(rejected.values()), len(rejected)) == ({1}, 7)
    assert shop.balance() == WHOLE
    assert len(set(shop.digests())) == 1
    assert shop.audit() == ()


def test_everything_is_done_once(shop):
    told_everything(shop)
    shop.serve()
    told_the_rest(shop)
    live = shop.serve()

    whole(shop)
    assert shop.digests()[0] == live


PUBLISHES = 10  # of the service in its first process, at least


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("n", range(1, PUBLISHES + 1))
def test_a_publish_in_doubt_is_neither_lost_nor_repeated(shop, moment, n):
    fault = Fault(moment, n, DeliveryFailed("the connection went away"))
    told_everything(shop)
    shop.serve(fault)
    told_the_rest(shop)
    live = shop.serve()

    assert fault.happened
    whole(shop)
    assert shop.digests()[0] == live


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("n", range(1, PUBLISHES + 1))
def test_a_death_at_a_publish_leaves_nothing_half_done(shop, moment, n):
    fault = Fault(moment, n, Killed())
    told_everything(shop)
    with pytest.raises(Killed):
        shop.serve(fault)
    shop.serve()
    told_the_rest(shop)
    live = shop.serve()

    whole(shop)
    assert shop.digests()[0] == live


@pytest.mark.parametrize("n", range(1, 12, 3))
def test_deaths_one_after_the_other_leave_nothing_half_done(tmp_path, n):
    shop = Shop(tmp_path / "data", **{"asking.share": 0.5, "asking.p_min": 0.1})
    shop.label()
    for moment, step in itertools.product(("before", "after"), (1, 2, n)):
        try:
            shop.serve(Fault(moment, step, Killed()), turns=4)
        except Killed:
            continue
    shop.serve()

    predicted, rejected = shop.said()
    balance = shop.balance()
    assert predicted == Counter(dict.fromkeys(shop.arrivals(), 1))
    assert list(rejected.values()) == [1]
    assert balance["answered"] == balance["issued"] == len(shop.read("queries"))
    assert len(set(shop.digests())) == 1
    assert shop.audit() == ()


def test_what_is_to_be_sent_goes_out_once_though_the_service_dies_before_it_notes_that(shop):
    with closing(shop.writer()) as writer:
        writer.publish([Outgoing("labels", b"k", b"\xc1")], None)
    first_score, then_the_outbox = 1, 1

    with pytest.raises(Killed):
        shop.serve(Fault("after", first_score + then_the_outbox, Killed()))
    with closing(Ledger(shop.settings.data_dir)) as ledger:
        kept = len(ledger.outbox())
    shop.serve()

    labels = [one for one in shop.said()[1].items() if one[0][0] == "labels"]
    assert (kept, [count for _, count in labels]) == (1, [1])


def test_what_was_learnt_serves_from_the_next_batch_on(shop):
    shop.label()
    shop.serve()

    said = [decode(Prediction, record.value) for record in in_order(shop.read("predictions"))]
    versions = [prediction.model for prediction in said]
    assert (versions[0], versions == sorted(versions), len(set(versions)) > 3) == (0, True, True)


def failing(times, error):
    def opener(open_log):
        left = itertools.count(times, -1)

        def open_() -> object:
            if next(left) > 0:
                raise error
            return open_log()

        return open_

    return opener


def test_a_log_out_of_reach_is_waited_for(shop):
    shop.serve(opener=failing(2, LogUnavailable("no broker")), turns=60)

    assert len(shop.read("predictions")) == PRODUCTS


def test_a_log_that_refuses_is_not_waited_for(shop):
    with pytest.raises(LogRefused, match="no rights"):
        shop.serve(opener=failing(1, LogRefused("no rights")))


def test_another_log_under_the_same_ledger_is_refused(shop):
    shop.label()
    shop.serve()
    for path in shop.settings.data_dir.glob(f"{FILE}*"):
        path.unlink()

    with pytest.raises(LogRefused, match="another log, or it has lost records"):
        shop.serve()


@pytest.mark.slow
def test_a_restart_in_another_process_is_bit_identical(shop):
    shop.label()
    live = shop.serve()
    sets = [f"{name}={value}" for name, value in SMALL.items()]
    command = [sys.executable, "-m", "service", "ledger", "--rebuild", "--data-dir", str(shop.settings.data_dir)]
    for change in sets:
        command += ["--set", change]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert re.findall(r"[0-9a-f]{64}", done.stdout) == [live, live], done.stderr


def test_a_start_at_a_position_of_ones_own_reads_everything_again(shop):
    shop.serve()
    start = Position(group="again", offsets={})
    with closing(clients(shop.settings).read(("products",), "again", start)) as reader:
        assert len(reader.poll(1000, 0.0)) == PRODUCTS + 1


def test_a_log_that_opens_in_part_is_let_go_of(shop):
    shop.label()
    shop.serve()
    for path in shop.settings.data_dir.glob(f"{FILE}*"):
        path.unlink()
    before = len(list(Path("/proc/self/fd").iterdir()))

    with pytest.raises(LogRefused) as refused:
        shop.serve()

    assert (len(list(Path("/proc/self/fd").iterdir())), refused.type) == (before, LogRefused)
