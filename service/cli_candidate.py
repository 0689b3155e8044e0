"""Commands about the model that serves and those that are tried: candidate, rollback."""

import time
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from service.challenges import Kind, Wish
from service.cli import FAILED, Config, DataDir, app, err, out, settings_from
from service.ledger import Ledger
from service.recipes import Recipe, difference
from service.settings import Misconfigured
from service.trials import said_of, trials


class Action(StrEnum):
    """What to do about a candidate."""

    START = "start"
    STATUS = "status"
    STOP = "stop"


@app.command()
def candidate(
    action: Annotated[Action, typer.Argument(metavar="start|status|stop", help="What to do.")],
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="start: how it differs from what serves, model.* or learning.seed."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="FILE", help="start: settings of the model, as TOML.")
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="start: it learns only from answers of after this moment.")
    ] = False,
    answers: Annotated[
        int | None, typer.Option(min=1, help="start: end it after so many answers if it was not promoted.")
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Try another model beside the one that serves; it serves once it is shown to be better.

    The candidate learns the whole history, then goes on with the model that serves. Both score every new answer before
    they learn from it. As soon as the bounds of the difference, which hold at 95 % at all times, show the candidate to
    be better, it serves, and a new epoch of evaluation begins. The service may run meanwhile, or be started later.

    Examples:

        askance candidate start --set model.cost=50

        askance candidate start --model other.toml --set learning.seed=1

        askance candidate start --forget --answers 1000

        askance candidate status
    """
    settings = settings_from(config, data_dir=data_dir)
    if action is Action.STATUS:
        _status(Ledger(settings.data_dir, read_only=True))
        return
    ledger = Ledger(settings.data_dir, beside=True)
    try:
        serves = _served(ledger)[-1]
        waiting = [request.what for request in ledger.challenges.requests()]
        running = any(one.kind is Kind.CANDIDATE for one in ledger.challenges.running())
        if action is Action.START:
            wanted = _wanted(serves, settings.asking.policy, model, sets or [])
            if (running and Wish.STOP not in waiting) or Wish.START in waiting:
                _no("a candidate is being tried already; `askance candidate stop` ends that")
            if forget:
                from service.promotion import forgetting

                wanted = forgetting(ledger, wanted)
            if wanted == serves:
                _no("that is the model that serves; say by --set, --model or --forget in what the candidate differs")
            _ask(ledger, Wish.START, wanted, f"candidate asked for: {_said(wanted, serves)}", answers)
        elif running or Wish.START in waiting:
            _ask(ledger, Wish.STOP, None, "the end of the candidate asked for")
        else:
            _no("no candidate is being tried")
    finally:
        ledger.close()


@app.command()
def rollback(config: Config = None, data_dir: DataDir = None) -> None:
    """Let the model serve again that served before the last promotion, with all it has missed learnt.

    The service may be running: it takes this up at its next turn, else at its next start.

    Example:

        askance rollback
    """
    settings = settings_from(config, data_dir=data_dir)
    ledger = Ledger(settings.data_dir, beside=True)
    try:
        stack = _served(ledger)
        asked = sum(request.what is Wish.BACK for request in ledger.challenges.requests())
        if len(stack) - asked < 2:
            _no("there is no model to go back to: none was promoted since, under this configuration of the model")
        before = stack[-2 - asked]
        _ask(ledger, Wish.BACK, None, f"the model before asked for: {_said(before, stack[-1 - asked])}")
    finally:
        ledger.close()


def _ask(ledger: Ledger, what: Wish, recipe: Recipe | None, said: str, most: int | None = None) -> None:
    with ledger.transaction():
        ledger.challenges.ask(what, recipe, time.time(), most)
    out.print(f"{escape(said)}; the service takes it up at its next turn, or start", highlight=False, soft_wrap=True)


def _no(why: str) -> NoReturn:
    err.print(f"[bold red]askance:[/] {escape(why)}", highlight=False, soft_wrap=True)
    raise typer.Exit(FAILED)


def _served(ledger: Ledger) -> tuple[Recipe, ...]:
    from service.promotion import served

    configured = ledger.challenges.configured()
    if configured is None:
        _no("no service has run on this ledger yet")
    return served(ledger, configured)


def _wanted(serves: Recipe, policy: str, file: Path | None, sets: list[str]) -> Recipe:
    from service.learners import configured, encoders_of
    from service.settings import read_settings

    changes: dict[str, object] = {}
    for text in sets:
        name, equals, value = text.partition("=")
        if not equals or not (name.startswith("model.") or name == "learning.seed"):
            raise Misconfigured(f"--set {text}: a candidate differs in model.NAME=VALUE or learning.seed=VALUE")
        changes[name] = value
    if file is not None:
        settings = read_settings(file, {"asking.policy": policy} | changes)
        return configured(settings, encoders_of(settings))
    same: dict[str, object] = {f"model.{name}": value for name, value in asdict(serves.settings).items()}
    same |= {"learning.seed": serves.seed, "asking.policy": policy}
    settings = read_settings(None, same | changes)
    return configured(settings, encoders_of(settings))._replace(since=serves.since)


def _said(recipe: Recipe, beside: Recipe) -> str:
    changes = difference(recipe.settings, beside.settings)
    changes |= {} if recipe.seed == beside.seed else {"seed": recipe.seed}
    changes |= {} if recipe.since == beside.since else {"answers since batch": recipe.since}
    return ", ".join(f"{name} = {value}" for name, value in changes.items()) or "no other settings"


def _status(ledger: Ledger) -> None:
    stack = _served(ledger)
    serves = "as configured" if len(stack) == 1 else f"promoted, with {_said(stack[-1], stack[0])}"
    out.print(f"serves: the model {serves}", highlight=False, soft_wrap=True)
    for request in ledger.challenges.requests():
        out.print(f"asked for and not yet taken up: {request.what.value}")
    lines = said_of(replace(trials(ledger.challenges), savings=None))
    for line in lines or ["no candidate was ever tried"]:
        out.print(escape(line), highlight=False, soft_wrap=True)
