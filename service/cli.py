"""The command line: `askance COMMAND`; 0 done, 1 failed, 2 misuse."""

import gc
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated, Any, NoReturn

import structlog
import typer
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.markup import escape

from models.faults import LogRefused, LogUnavailable
from producers.port import DeliveryFailed, RecordRefused
from service.feeds import BadFeed
from service.http import AddressRefused, Endpoints, Health, application
from service.ledger_file import LedgerUnusable
from service.settings import Misconfigured, Settings, as_plain, read_settings

FAILED, MISUSE = 1, 2
FAULTS = (LedgerUnusable, LogRefused, LogUnavailable, DeliveryFailed, RecordRefused, BadFeed, AddressRefused)

app = typer.Typer(
    help="Askance asks when in doubt: scores a feed, decides whom to ask, learns from the answers, proves its quality.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
out, err = Console(), Console(stderr=True)

Outputs = Annotated[
    Path | None, typer.Option("--outputs", metavar="FILE", help="Outputs file: NAME.outputs.json, or one name a line.")
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", envvar="ASKANCE_CONFIG", help="Settings, as TOML.")
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Ledger, checkpoints and the embedded log.")
]
Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="A broker; without it, the embedded log.")
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting by its dotted name; repeatable.")
]


def settings_from(
    config: Path | None,
    *,
    data_dir: Path | None = None,
    kafka: str | None = None,
    outputs: Path | None = None,
    sets: list[str] | None = None,
) -> Settings:
    """Read the settings, with what the command line gives on top."""
    changes: dict[str, Any] = {"data_dir": data_dir, "kafka.bootstrap": kafka, "outputs_file": outputs}
    given = {name: value for name, value in changes.items() if value is not None}
    for text in sets or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise Misconfigured(f"--set {text}: KEY=VALUE is expected, as in --set asking.share=0.05")
        given[name.strip()] = value.strip()
    return read_settings(config, given)


@contextmanager
def stopping() -> Iterator[Event]:
    """An event that SIGTERM and SIGINT set; the second SIGINT interrupts."""
    stop = Event()

    def heard(number: int, _: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def listening(settings: Settings, health: Health, registry: CollectorRegistry) -> Iterator[None]:
    """Serve health and metrics meanwhile, if that is wanted."""
    if not settings.http.enabled:
        yield
        return
    with Endpoints(application(health, registry), host=settings.http.host, port=settings.http.port) as endpoints:
        structlog.get_logger("askance").info("listening", host=endpoints.host, port=endpoints.port)
        yield


def settled() -> None:
    """Say that what is loaded by now stays: Python then looks for garbage only among what comes, in no time.

    Otherwise a process that serves stands still for a tenth of a second every few seconds, to look at torch.
    """
    gc.collect()
    gc.freeze()


@app.command()
def run(
    outputs: Outputs = None,
    config: Config = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    sets: Sets = None,
) -> None:
    """Score, ask and learn, until stopped: both roles in one process.

    SIGTERM or Ctrl-C finishes the batch, commits, writes a checkpoint and ends.

    Examples:

        askance run --outputs shop.outputs.json

        askance run --config askance.toml --kafka broker:9092
    """
    from service.assembly import make_both, open_both
    from service.logs import configure
    from service.loop import run as serve

    settings = settings_from(config, data_dir=data_dir, kafka=kafka, outputs=outputs, sets=sets)
    configure()
    log, registry = structlog.get_logger("askance"), CollectorRegistry()
    with stopping() as stop:
        role = make_both(settings, registry)
        half = role.learning
        with closing(half.ledger), listening(settings, role.health, registry):
            log.info("started", role="run", settings=as_plain(settings) | {"outputs": len(half.learner.outputs)})
            settled()
            serve(role, open_both(settings, half.ledger), stop)
            log.info("stopped", model=half.learner.version, **half.ledger.balance())


@app.command()
def score(
    config: Config = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    sets: Sets = None,
) -> None:
    """Score and ask, until stopped, with the model that `askance learn` sends: any number of processes share the feed.

    Each needs a name of its own (`kafka.instance`) and the same secret of the draws (`asking.seed`). It begins when a
    model is there, and goes on with the last one while the learner is away. SIGTERM or Ctrl-C finishes the batch,
    commits and ends.

    Examples:

        askance score --config askance.toml --set kafka.instance=1

        askance score --kafka broker:9092 --set asking.seed=SECRET
    """
    from service.assembly import make_scorer, open_scorer
    from service.logs import configure
    from service.loop import run as serve

    settings = settings_from(config, data_dir=data_dir, kafka=kafka, sets=sets)
    configure()
    log, registry = structlog.get_logger("askance"), CollectorRegistry()
    with stopping() as stop:
        role = make_scorer(settings, registry)
        with listening(settings, role.health, registry):
            log.info("started", role="score", settings=as_plain(settings))
            settled()
            serve(role, open_scorer(settings), stop)
            log.info("stopped", model=role.health.model().get("version"))


@app.command()
def learn(
    outputs: Outputs = None,
    config: Config = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    sets: Sets = None,
) -> None:
    """Learn from the answers, until stopped, and send the model to every `askance score`: one process for a stream.

    A second one on another machine shuts the first out, which then ends with 1. SIGTERM or Ctrl-C finishes the batch,
    commits, writes a checkpoint and ends.

    Examples:

        askance learn --outputs shop.outputs.json

        askance learn --config askance.toml --kafka broker:9092
    """
    from service.assembly import make_learner, open_learner
    from service.logs import configure
    from service.loop import run as serve

    settings = settings_from(config, data_dir=data_dir, kafka=kafka, outputs=outputs, sets=sets)
    configure()
    log, registry = structlog.get_logger("askance"), CollectorRegistry()
    with stopping() as stop:
        role = make_learner(settings, registry)
        half = role.half
        with closing(half.ledger), listening(settings, role.health, registry):
            log.info("started", role="learn", settings=as_plain(settings) | {"outputs": len(half.learner.outputs)})
            settled()
            serve(role, open_learner(settings, half.ledger), stop)
            log.info("stopped", model=half.learner.version, **half.ledger.balance())


@app.command("config")
def show_config(config: Config = None, sets: Sets = None) -> None:
    """Print the effective settings as JSON; secrets hidden.

    Example:

        askance config --config askance.toml --set asking.share=0.05
    """
    out.print_json(data=as_plain(settings_from(config, sets=sets)))


def main() -> None:
    """Run the command line; the console script."""
    import service.cli_candidate
    import service.cli_encoder
    import service.cli_proof
    import service.cli_report
    import service.cli_trials  # noqa: F401 - each adds its commands

    try:
        app()
    except Misconfigured as error:
        _end(str(error), MISUSE)
    except sqlite3.Error as error:
        _end(f"the ledger cannot be read: {error}; bring back a backup", FAILED)
    except (*FAULTS, OSError) as error:
        _end(str(error), FAILED)


def _end(why: str, status: int) -> NoReturn:
    err.print(f"[bold red]askance:[/] {escape(why)}", highlight=False, soft_wrap=True)
    sys.exit(status)
