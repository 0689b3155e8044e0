"""What scripts play on: a broker, a learner, scorers and annotators as processes, and a feed that flows."""

import json
import random
import time
import urllib.request
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from consumers.port import LogUnavailable
from faults import nursery
from models.coding import encode, read
from models.messages import Prediction, Rejection
from models.records import Outgoing, Position
from producers.port import DeliveryFailed
from service.assembly import clients
from service.catalogue import write_feed
from service.feeds import read_products
from service.ledger import Ledger
from service.ledger_file import LedgerUnusable
from service.reading import read_topic
from service.settings import read_settings

LIMIT = 180.0  # seconds that anything may take, on the slowest machine
MOST = 8_000  # products in the feed
BEGINS = '{"event": "begins"}\n'  # before what a process logs
WATCHED = ("predictions", "queries", "labels", "rejections")
SMALL = {
    "asking.share": 0.2, "asking.seed": "faults", "model.bits": 12, "model.width": 8, "model.sketch": 8,
    "model.hidden": 16, "model.members": 2, "model.memory": 200, "model.batch": 16, "model.rehearsals": 2,
    "learning.checkpoint_seconds": 1.0, "log.batch": 20, "log.partitions": 4, "http.port": 0,
    "kafka.timeout_seconds": 10.0, "kafka.session_seconds": 6.0,
}  # fmt: skip


class Broken(Exception):
    """Something did not come about, or a process ended that should not have."""


class Stage:
    """The processes of one run and its log. One thread; the feed flows while somebody waits."""

    def __init__(self, folder, broker, *, prefix, scorers=2, seed=0, rate=30.0, may_end=(), sets=None):
        self.folder, self.broker, self.rate, self.may_end = Path(folder), broker, rate, may_end
        self.folder.mkdir(parents=True, exist_ok=True)
        self.feed = self.folder / "shop.jsonl.gz"
        outputs = write_feed(self.feed, MOST, seed=seed)
        reach = {"stream": prefix.strip("."), "log.prefix": prefix, "kafka.bootstrap": broker.servers}
        self.changes = SMALL | reach | (sets or {})
        self.settings = read_settings(
            None, self.changes | {"data_dir": str(self.folder / "data"), "outputs_file": str(outputs)}
        )
        self.reach = clients(self.settings)
        self.rng = random.Random(f"stage {seed}")
        self.products = [product for product, _ in read_products(self.feed)]
        self.names = ["learner", *(f"scorer-{n}" for n in range(scorers)), "crowd"]
        self.alive, self.paused, self.ended, self.last_words = {}, set(), Counter(), {}
        self.broken = False  # the broker is
        self.sent, self.seen, self.places = 0, Counter(), {}
        self.flowing, self._fed = True, time.monotonic()
        self._writer = self._watch = None

    # Processes

    def start(self, name, stands_at=None):
        """Start a process; with `stands_at` N, one that stops itself in its Nth transaction."""
        kind, _, number = name.partition("-")
        words = {
            "learner": ["learn", "--outputs", self.settings.outputs_file],
            "scorer": ["score", "--set", f"kafka.instance={number}"],
            "crowd": ["annotate", "--truth", self.feed, "--annotators", 3, "--delay", 0.3, "--skip", 0.02],
        }[kind]
        data = self.folder / ("data" if kind == "learner" else f"data-{name}")
        words += ["--data-dir", data, *(f"--set={key}={json.dumps(value)}" for key, value in self.changes.items())]
        with self.log_of(name).open("a") as log:
            log.write(BEGINS)
        self.alive[name] = nursery.begin(words, self.log_of(name), self.settings.kafka.client, stands_at)
        if name not in self.names:
            self.names.append(name)

    def signal(self, name, number):
        nursery.send(self.broker.pid if name == "broker" else self.alive[name].pid, number)

    def kill(self, name):
        nursery.kill(self.alive.pop(name))
        self.paused.discard(name)

    def stop(self, name):
        """Ask it to end; returns the exit status."""
        process = self.alive.pop(name)
        process.terminate()
        deadline = time.monotonic() + LIMIT
        while process.exitcode is None:
            if time.monotonic() > deadline:
                raise Broken(f"{name} does not end: {self.told(name)}")
            self.step()
        return process.exitcode

    def log_of(self, name):
        return self.folder / f"{name}.log"

    def stands(self, name):
        return nursery.stands(self.alive[name].pid)

    def named(self, topic):
        """What a topic is called on the broker."""
        return self.settings.log.prefix + topic

    def told(self, name, size=3_000):
        path = self.log_of(name)
        return path.read_text(errors="replace")[-size:] if path.exists() else ""

    def lines(self, name):
        """What a process has logged since it was last started."""
        path = self.log_of(name)
        text = path.read_text(errors="replace").rpartition(BEGINS)[2] if path.exists() else ""
        for line in text.splitlines():
            with suppress(json.JSONDecodeError):
                if isinstance(said := json.loads(line), dict):
                    yield said

    def ready(self, name):
        """What a process serves, or None while it is not ready."""
        port = next((line["port"] for line in self.lines(name) if line.get("event") == "listening"), None)
        if port is None:
            return None
        address = f"http://127.0.0.1:{port}/readyz"
        with suppress(OSError, ValueError, LookupError), urllib.request.urlopen(address, timeout=5) as answer:
            return json.load(answer)["model"]["version"]
        return None

    # The log

    def writer(self):
        if self._writer is None:
            self._writer = self.reach.write(f"stage-{self.settings.log.prefix}")
        return self._writer

    def publish(self, records):
        """Publish, come what may: until it is known that it happened; may happen more than once."""
        self.until("publishing", lambda: self._tried(records))

    def _tried(self, records):
        if self.broken:
            return False
        try:
            self.writer().publish(records, None)
        except (DeliveryFailed, LogUnavailable):
            self.reopen()
            return False
        return True

    def reopen(self):
        """Open our own clients anew when they are needed."""
        for client in (self._writer, self._watch):
            if client is not None:
                client.close()
        self._writer = self._watch = None

    def step(self, pause=0.05):
        """Let the feed flow, see what has come, and see whether all live who should."""
        began = time.monotonic()
        if not self.broken:
            try:
                self._feed(began)
                self._look(pause)
            except (LogUnavailable, DeliveryFailed):
                self.reopen()
                self._fed = 0.0  # how much of the feed is there has to be found out
        for name, process in list(self.alive.items()):
            if process.exitcode is not None:
                self._over(name)
        time.sleep(max(0.0, pause - (time.monotonic() - began)))

    def _over(self, name):
        code = self.alive.pop(name).exitcode
        if name not in self.may_end or code != 1:
            raise Broken(f"{name} ended by itself, with {code}: {self.told(name)}")
        self.ended[name] += 1
        self.last_words[name] = self.told(name)
        self.start(name)  # as whoever runs it does

    def _feed(self, now):
        if self._fed == 0.0:
            there = {record.key for record in read_topic(self.reach.read, "products")}
            self.sent, self._fed = len(there - {b"poison"}), now
        if not self.flowing:
            self._fed = now
        due = min(int((now - self._fed) * self.rate), 200)
        if due < 5:
            return
        batch = self.products[self.sent : self.sent + due]
        self.writer().publish([Outgoing("products", one.id.encode(), encode(one)) for one in batch], None)
        self.sent, self._fed = self.sent + len(batch), now

    def _look(self, pause):
        if self._watch is None:
            self.writer()  # which makes the topics
            self._watch = self.reach.read(WATCHED, "watch", Position(group="watch", offsets=self.places))
        for record in self._watch.poll(5_000, pause):
            self.seen[record.topic] += 1
            if record.topic == "predictions":
                self.seen["asked"] += read(Prediction, record).asked
            if record.topic == "rejections":
                self.seen[f"rejected {read(Rejection, record).topic}"] += 1
        self.places = dict(self._watch.position().offsets)

    # Waiting

    def until(self, what, holds, limit=LIMIT):
        deadline = time.monotonic() + limit
        while not holds():
            if time.monotonic() > deadline:
                logs = "".join(f"\n{name}: {self.told(name, 1_500)}" for name in self.names)
                raise Broken(f"waited {limit:.0f} s for {what}: sent {self.sent}, seen {dict(self.seen)}{logs}")
            self.step()

    def flow(self, count):
        """Wait until so many more products are predicted."""
        wanted = self.seen["predictions"] + count
        self.until(f"{count} more predictions", lambda: self.seen["predictions"] >= wanted)

    def rest(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.step(min(0.05, max(0.0, deadline - time.monotonic())))

    def learnt(self):
        """The ledger's balance, its labels and its newest batch; None while there is none."""
        try:
            with closing(Ledger(self.settings.data_dir, read_only=True)) as ledger:
                return ledger.balance(), sum(ledger.outcomes().values()), ledger.batches.last()
        except LedgerUnusable:
            return None

    def close(self):
        for name in list(self.alive):
            with suppress(ProcessLookupError):
                self.kill(name)
        self.reopen()
