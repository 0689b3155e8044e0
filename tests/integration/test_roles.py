"""Scorers and the learner apart: several processes on one log, killed and started again."""

import json
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import closing
from datetime import datetime

import numpy as np
import pytest

from models.chance import query_id
from models.coding import decode, encode
from models.features import featurise
from models.messages import Label, Prediction, Product, Query, Tally
from models.records import Outgoing
from service.assembly import clients
from service.audit import audit
from service.halves import asking_of
from service.learners import encoders_of, restored
from service.ledger import Ledger
from service.reading import read_topic
from service.roles import GATHER
from service.settings import read_settings

OUTPUTS = ("red", "shoe")
PARTITIONS = 4
LIMIT = 60.0  # seconds that anything may take
SMALL = {
    "model.bits": 12, "model.width": 8, "model.sketch": 8, "model.hidden": 16, "model.members": 2, "model.memory": 200,
    "model.batch": 16, "model.rehearsals": 2, "asking.share": 0.3, "asking.seed": "s", "log.partitions": PARTITIONS,
    "log.batch": 20, "learning.checkpoint_seconds": 1.0, "http.enabled": False,
}  # fmt: skip


def product(number):
    return Product(
        id=f"p{number}", title=f"{'red' if number % 2 else 'blue'} {'shoe' if number % 3 else 'hat'} {number}"
    )


class Town:
    """A log, and the processes that work on it."""

    def __init__(self, folder, kafka):
        self.folder, self.kafka, self.sent, self.alive = folder, kafka, 0, {}
        prefix = {"log.prefix": f"t{uuid.uuid4().hex[:12]}.", "kafka.bootstrap": kafka} if kafka else {}
        self.changes = SMALL | {"outputs": OUTPUTS, "data_dir": str(folder / "data")} | prefix
        self.settings = read_settings(None, self.changes)
        self.reach = clients(self.settings)
        self.writer = self.reach.write(f"town-{uuid.uuid4().hex[:8]}")

    def start(self, name, command, *sets):
        words = [f"{key}={json.dumps(value)}" for key, value in SMALL.items()]
        words += [f"log.prefix={self.settings.log.prefix}", f"kafka.bootstrap={json.dumps(self.kafka)}", *sets]
        words += [f"outputs={json.dumps(OUTPUTS)}"] if command == "learn" else []
        line = [sys.executable, "-m", "service", command, "--data-dir", self.changes["data_dir"]]
        with (self.folder / f"{name}.log").open("a") as told:
            self.alive[name] = subprocess.Popen([*line, *(f"--set={word}" for word in words)], stderr=told)

    def score(self, number):
        self.start(f"scorer-{number}", "score", f"kafka.instance={number}")

    def learn(self, name="learner", *sets):
        self.start(name, "learn", *sets)

    def kill(self, name):
        process = self.alive.pop(name)
        process.kill()
        process.wait()

    def stop(self, name):
        process = self.alive.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=LIMIT)

    def told(self, name):
        return (self.folder / f"{name}.log").read_text()

    def times(self, name, event):
        """When a process told of such events, in seconds."""
        lines = [json.loads(line) for line in self.told(name).splitlines()]
        return [datetime.fromisoformat(line["at"]).timestamp() for line in lines if line["event"] == event]

    def feed(self, count):
        """Products, evenly over the partitions."""
        products = [product(number) for number in range(self.sent, self.sent + count)]
        self.sent += count
        sent = [Outgoing("products", one.id.encode(), encode(one), n % PARTITIONS) for n, one in enumerate(products)]
        self.writer.publish(sent, None)
        return [one.id for one in products]

    def read(self, topic, kind):
        return [decode(kind, record.value) for record in read_topic(self.reach.read, topic)]

    def predictions(self):
        return self.read("predictions", Prediction)

    def answer(self):
        """Answer every query there is, again too."""
        labels = []
        for query in self.read("queries", Query):
            number = int(query.product.id[1:])
            answers = {"red": number % 2 == 1, "shoe": number % 3 != 0}
            label = Label(query=query.id, annotator="a", answers=answers)
            labels.append(Outgoing("labels", query.id.encode(), encode(label)))
        self.writer.publish(labels, None)

    def until(self, holds):
        deadline = time.monotonic() + LIMIT
        while not holds():
            assert time.monotonic() < deadline, {name: self.told(name)[-2_000:] for name in self.alive}
            assert all(process.poll() is None for process in self.alive.values()), {n: self.told(n) for n in self.alive}
            time.sleep(0.1)

    def until_scored(self):
        self.until(lambda: len(self.predictions()) >= self.sent)

    def balance(self):
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            return ledger.balance(), ledger.recount()

    def until_answered(self):
        asked = len(self.read("queries", Query))
        self.until(lambda: self.balance()[0]["answered"] == asked)

    def learnt(self):
        """The model as the ledger has it."""
        with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
            return restored(self.settings, ledger, encoders_of(self.settings)).learner.snapshot()

    def scored(self):
        """Lines of the scorers about batches, by scorer."""
        return {path.stem: path.read_text().count('"scored"') for path in self.folder.glob("scorer-*.log")}

    def audit(self):
        asking = asking_of(self.settings)
        return audit(
            self.reach.read, key=asking.key, stream=asking.stream, p_min=asking.p_min, group="askance"
        ).problems

    def close(self):
        for name in list(self.alive):
            self.kill(name)
        self.writer.close()


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def town(request, tmp_path):
    town = Town(tmp_path, request.getfixturevalue("broker") if request.param == "kafka" else "")
    yield town
    town.close()


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_scorers_and_learner_apart_lose_nothing_and_end_up_with_one_model(town):
    town.feed(100)
    town.learn()
    town.score(0)
    town.score(1)
    town.until_scored()
    town.answer()
    town.feed(200)
    town.kill("scorer-0")
    town.feed(100)
    town.score(0)
    town.until_scored()
    town.kill("learner")
    town.feed(100)
    town.until_scored()  # by the model that the learner left
    town.answer()
    town.learn()
    town.until_answered()
    town.answer()
    newest = town.learnt()

    def served_now():
        batch = set(town.feed(40))
        town.until_scored()
        return [one for one in town.predictions() if one.product in batch]

    last = served_now()
    while {one.model for one in last} != {newest.version}:
        last = served_now()
    fenced = refused(town)
    ends = [town.stop(name) for name in list(town.alive)]

    predictions = town.predictions()
    numbers = [int(one.product[1:]) for one in last]
    features = featurise([product(number) for number in numbers], bits=newest.bits)
    expected = newest.scores(newest.members(features))
    served = np.array([np.frombuffer(one.scores, "<f4") for one in last])
    issued = Counter(query.id for query in town.read("queries", Query))
    balance, recount = town.balance()
    assert newest.version > 1
    assert served == pytest.approx(expected, rel=1e-5)  # sums depend on the batch in their last bits
    assert Counter(one.product for one in predictions) == Counter(f"p{number}" for number in range(town.sent))
    assert issued == Counter(query_id("askance", one.arrival) for one in predictions if one.asked)
    assert (balance, balance["issued"]) == (recount, len(issued))
    assert town.audit() == ()
    assert all(town.scored().values())
    assert (fenced, ends) == (1, [0] * len(ends))


def refused(town):
    """How the learner ends that may not go on: on Kafka the older of two, on the embedded log the newer."""
    if town.kafka:
        town.learn("newer", f"data_dir={town.folder / 'other'}")
        ended = town.alive.pop("learner")
        code, name = ended.wait(timeout=LIMIT), "learner"
        assert town.alive["newer"].poll() is None
    else:
        town.learn("newer")
        ended, name = town.alive.pop("newer"), "newer"
        code = ended.wait(timeout=LIMIT)
    assert "another" in town.told(name).splitlines()[-1]
    return code


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("town", ["sqlite"], indirect=True)
def test_a_learner_takes_together_what_scorers_tell_in_quick_succession(town):
    town.learn()
    town.score(0)
    town.feed(1)
    town.until_scored()
    for _ in range(60):
        town.feed(1)
        time.sleep(0.02)
    town.until_scored()
    time.sleep(2 * GATHER)  # the last of it reaches the learner

    learnt, scored = town.times("learner", "learnt"), town.times("scorer-0", "scored")
    assert np.diff(scored).min() < 0.9 * GATHER  # so there was more than one tally in that time
    assert np.diff(learnt).min() > 0.9 * GATHER
    assert len(learnt) < len(scored)
    assert sum(tally.n for tally in town.read("tallies", Tally)) == town.sent
