"""The ledger's file: one writer, one version, and clear words about anything else."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from service.challenges import Wish
from service.ledger import Ledger
from service.ledger_file import SCHEMAS, VERSION, LedgerUnusable


def test_a_second_writer_is_refused(desk):
    with pytest.raises(LedgerUnusable, match="another process learns there"):
        Ledger(desk.folder)


def test_a_reader_may_look_while_another_writes(desk):
    desk.tell(desk.query("q1"))
    reader = Ledger(desk.folder, read_only=True)
    desk.tell(desk.query("q2"))
    seen = reader.balance()["issued"]
    reader.close()

    assert seen == 1


def test_a_missing_ledger_is_said_to_a_reader(tmp_path):
    with pytest.raises(LedgerUnusable, match="no ledger at"):
        Ledger(tmp_path, read_only=True)


def test_a_newer_version_is_refused(desk, new_desk):
    desk.ledger.close()
    with sqlite3.connect(desk.ledger.path) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()

    with pytest.raises(LedgerUnusable, match=r"version 99.*upgrade"):
        new_desk()


def as_version_1(desk):
    """Take back what later versions added."""
    desk.ledger.close()
    with sqlite3.connect(desk.ledger.path) as file:
        for table in re.findall(r"CREATE TABLE (\w+)", "".join(SCHEMAS[1:])):
            file.execute(f"DROP TABLE {table}")
        file.execute("ALTER TABLE queries DROP COLUMN stretch")
        file.execute("PRAGMA user_version = 1")
    file.close()


def test_an_older_ledger_is_brought_up_to_date_by_its_writer(desk, new_desk):
    desk.tell(desk.query("q1"), desk.label("q1", answers={"red": True}))
    as_version_1(desk)

    again = new_desk()

    assert (again.ledger.batches.last(), again.ledger.challenges.running()) == (1, [])


@pytest.mark.parametrize("how", ["read_only", "beside"])
def test_an_older_ledger_is_left_alone_by_others(desk, how):
    as_version_1(desk)

    with pytest.raises(LedgerUnusable, match=rf"of version 1, not yet {VERSION}: start the service once"):
        Ledger(desk.folder, **{how: True})


def test_word_can_be_left_beside_a_running_service(desk):
    beside = Ledger(desk.folder, beside=True)
    with beside.transaction():
        beside.challenges.ask(Wish.STOP, None, 1.0)
    beside.close()

    assert [request.what for request in desk.ledger.challenges.requests()] == [Wish.STOP]


def test_another_file_in_its_place_is_refused(desk, new_desk):
    desk.ledger.close()
    for path in desk.folder.glob("ledger.sqlite*"):
        path.unlink()
    desk.ledger.path.write_bytes(b"this is no ledger" * 1000)

    with pytest.raises(LedgerUnusable, match="no ledger"):
        new_desk()


def test_a_damaged_file_is_refused_not_half_read(desk):
    desk.tell(*(desk.query(f"q{n}") for n in range(200)))
    desk.ledger.close()
    size = desk.ledger.path.stat().st_size
    with desk.ledger.path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))

    with pytest.raises((LedgerUnusable, sqlite3.DatabaseError)):
        read_all(desk.folder)


def read_all(folder):
    with closing(Ledger(folder)) as ledger:
        ledger.recount()
        list(ledger.batches.after(-1))


UNPRIVILEGED = """
import os, sys
sys.path[:0] = {path!r}
from pathlib import Path
from service.ledger import Ledger
from service.ledger_file import LedgerUnusable, SCHEMAS, VERSION
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    Ledger(Path({folder!r}))
except LedgerUnusable as error:
    print("said:", error)
"""


@pytest.mark.slow
def test_a_folder_without_write_access_is_said(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o555)

    said = scripted(UNPRIVILEGED, folder)

    assert "said: ledger" in said
    assert "writ" in said


def scripted(script, folder):
    text = script.format(path=sys.path, folder=str(folder))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


FULL = """
import resource, sys
sys.path[:0] = {path!r}
from pathlib import Path
from service.ledger import Ledger
from service.ledger_file import LedgerUnusable, SCHEMAS, VERSION
from models.records import Outgoing
ledger = Ledger(Path({folder!r}))
with ledger.transaction():
    ledger.put_out([Outgoing("rejections", b"first", b"x")])
size = ledger.path.stat().st_size + 200_000
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
try:
    with ledger.transaction():
        ledger.put_out([Outgoing("rejections", b"k", b"x" * 10_000)] * 200)
except LedgerUnusable as error:
    print("said:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print("kept:", [record.key for record in ledger.outbox()])
"""


@pytest.mark.slow
def test_no_room_leaves_the_ledger_as_it_was(tmp_path):
    said = scripted(FULL, tmp_path / "data")

    assert "said: ledger" in said
    assert "kept: [b'first']" in said


def test_a_ledger_belongs_to_one_log(desk):
    desk.ledger.belong_to("the embedded log")
    desk.ledger.belong_to("the embedded log")

    with pytest.raises(LedgerUnusable, match="belongs to the embedded log, not to Kafka"):
        desk.ledger.belong_to("Kafka")
