"""The demonstration: the real service, a generated feed, imperfect annotators, and what came of it."""

import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.coding import read
from models.messages import Prediction
from service.annotators import annotate
from service.assembly import clients, make_both, open_both
from service.audit import Audited, audit
from service.catalogue import OUTPUTS, generate
from service.crowd import Crowd, Habits
from service.feeds import Entry
from service.halves import asking_of
from service.learners import encoders_of, rebuilt, restored
from service.ledger import Ledger
from service.loop import run as serve
from service.quality import Window, progressive
from service.reading import in_order, read_topic
from service.replay import replay
from service.settings import Settings, read_settings

SHARE = 0.1
WINDOWS = 8
SETTLE_SECONDS = 30.0  # longest wait for the last answers


@dataclass(slots=True)
class _Cast:
    """The three who act, each in a thread, and what went wrong with any of them."""

    stop_annotators: threading.Event = field(default_factory=threading.Event)
    stop_service: threading.Event = field(default_factory=threading.Event)
    replayed: bool = False
    failures: list[BaseException] = field(default_factory=list)

    def act(self, part: Callable[[], None]) -> threading.Thread:
        def played() -> None:
            try:
                part()
            except BaseException as error:  # noqa: BLE001 - shown and raised in the main thread
                self.failures.append(error)

        thread = threading.Thread(target=played, daemon=True)
        thread.start()
        return thread


def run_demo(*, products: int, rate: float, seed: int, keep: Path | None, console: Console) -> bool:
    """Run it to its end; True if the balance and the audit hold and quality rose."""
    with tempfile.TemporaryDirectory(prefix="askance-demo-") as temporary:
        changes = {"data_dir": keep or Path(temporary) / "data", "outputs": OUTPUTS, "outputs_file": None}
        sets = {"kafka.bootstrap": "", "log.partitions": 2, "asking.share": SHARE, "http.enabled": False}
        settings = read_settings(None, changes | sets)
        feed = list(generate(products, seed=seed))
        console.print(
            f"[bold]{products:,} products[/] of several merchants, {len(OUTPUTS)} yes/no outputs, new wording from the"
            f" middle on. Askance may ask about {SHARE:.0%}; five annotators answer late, 4 % of answers are wrong."
        )
        _play(settings, feed, rate, seed, console)
        return _verdict(settings, feed, console)


def _play(settings: Settings, feed: list[Entry], rate: float, seed: int, console: Console) -> None:
    cast, registry, reach = _Cast(), CollectorRegistry(), clients(settings)
    truth = {product.id: labels or frozenset() for product, labels in feed}

    def service() -> None:
        made = make_both(settings, registry)
        try:
            serve(made, open_both(settings, made.learning.ledger), cast.stop_service)
        finally:
            made.learning.ledger.close()

    def feeding() -> None:
        writer = reach.write("demo-feed")
        for _ in replay(feed, writer, rate=rate, limit=None, clock=time.monotonic, sleep=time.sleep):
            if cast.stop_annotators.is_set():
                break
        cast.replayed = True
        writer.close()

    def annotators() -> None:
        habits = Habits(annotators=5, accuracy=0.96, delay=1.0, unsure=0.02, skip=0.03, seed=seed)
        reader, writer = reach.read(("queries",), "demo-annotators", None), reach.write("demo-annotators")
        for _ in annotate(reader, writer, Crowd(truth, habits), stop=cast.stop_annotators, clock=time.time):
            pass
        reader.close()
        writer.close()

    threads = [cast.act(service), cast.act(annotators), cast.act(feeding)]
    try:
        _watch(registry, cast, len(feed), console)
    finally:
        cast.stop_annotators.set()
        cast.stop_service.set()
        for thread in threads:
            thread.join(timeout=60.0)
    if cast.failures:
        raise cast.failures[0]


def _watch(registry: CollectorRegistry, cast: _Cast, products: int, console: Console) -> None:
    def value(name: str, labels: Mapping[str, str] | None = None) -> int:
        return int(registry.get_sample_value(name, dict(labels or {})) or 0)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console) as progress:
        task = progress.add_task("scored", total=products, note="")
        settled_at = 0.0
        while not cast.failures:
            scored = value("askance_arrivals_total")
            waiting = value("askance_queries", {"state": "open"})
            note = (
                f"asked {value('askance_asked_total'):,}, waiting {waiting}, "
                f"learnt from {value('askance_lessons_total'):,}, model {value('askance_model_version')}"
            )
            progress.update(task, completed=scored, note=note)
            if cast.replayed and scored >= products:
                settled_at = settled_at or time.monotonic()
                issued = value("askance_queries_issued")
                done = issued == value("askance_asked_total") and waiting == 0
                if done or time.monotonic() - settled_at > SETTLE_SECONDS:
                    return
            time.sleep(0.2)


def _verdict(settings: Settings, feed: list[Entry], console: Console) -> bool:
    read_log, asking = clients(settings).read, asking_of(settings)
    truth = {product.id: labels or frozenset() for product, labels in feed}
    said = (read(Prediction, record, limit=64_000_000) for record in in_order(read_topic(read_log, "predictions")))
    windows = list(progressive(said, truth, OUTPUTS, len(feed) // WINDOWS))
    found = audit(read_log, key=asking.key, stream=asking.stream, p_min=asking.p_min, group=settings.kafka.group)
    ledger = Ledger(settings.data_dir, read_only=True)
    balance, recount = ledger.balance(), ledger.recount()
    encoders = encoders_of(settings)
    same = restored(settings, ledger, encoders).learner.digest() == rebuilt(settings, ledger, encoders).digest()
    ledger.close()
    _show(windows, found, balance, console)
    balanced = balance == recount and balance["issued"] == sum(n for k, n in balance.items() if k != "issued")
    rose = len(windows) > 1 and windows[-1].macro_ap > windows[0].macro_ap
    for holds, what in (
        (balanced, "every query is accounted for"),
        (found.found == 0, "every decision in the log is the one the key and the chance demand"),
        (same, "the model rebuilt from the ledger alone is the same, bit for bit"),
        (rose, "quality rose"),
    ):
        console.print(f"[green]yes[/] {what}" if holds else f"[bold red]NO[/]  {what}")
    for problem in found.problems:
        console.print(f"    {problem}", markup=False)
    return balanced and found.found == 0 and same and rose


def _show(windows: list[Window], found: Audited, balance: Mapping[str, int], console: Console) -> None:
    table = Table(title="quality as served, before any answer")
    for heading in ("products", "labels asked", "macro AP", "micro F1"):
        table.add_column(heading, justify="right")
    for row in windows:
        table.add_row(f"{row.arrivals:,}", f"{row.asked:,}", f"{row.macro_ap:.3f}", f"{row.micro_f1:.3f}")
    console.print(table)
    parts = " + ".join(f"{n} {name}" for name, n in balance.items() if name != "issued")
    console.print(f"ledger: {balance['issued']} issued = {parts}")
    console.print(f"audit: {found.arrivals:,} arrivals, {found.asked:,} asked, {found.found} problems")
