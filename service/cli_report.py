"""Commands about quality: report, epoch."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from service.cli import FAILED, Config, DataDir, Sets, app, err, out, settings_from
from service.evidence import Evidence
from service.report import Bounded, Claim, Report, Section

MOST_NAMED: Final = 20  # outputs named in a line


@app.command("report")
def show_report(
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures there.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the figures there: NAME.html or NAME.svg.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw them as a PNG image there; needs matplotlib.")] = None,
    target_precision: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Say whether every output's precision is at least this.")
    ] = None,
    target_recall: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Say whether every output's recall is at least this.")
    ] = None,
    launch: Annotated[bool, typer.Option("--launch", help="Show all since launch, not the newest epoch.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Make the sums anew from every answer and compare.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
    sets: Sets = None,
) -> None:
    """Precision, recall and F1 of every output as served, proved by the answers.

    Each estimate stands before its bounds. The bounds of one figure hold at 95 %, at all times together: look whenever
    you like. A claim about all outputs is made with the bounds it takes for that. Ends with 1 if a target is given and
    not shown to be met, or if `--check` finds a difference.

    Examples:

        askance report

        askance report --json report.json --plot report.html --png report.png

        askance report --target-precision 0.9 --target-recall 0.8
    """
    from service.ledger import Ledger
    from service.picture import can_draw, picture
    from service.report import make_report
    from service.settings import Misconfigured
    from service.stopping import Targets, gained
    from service.trials import said_of, trials

    if png is not None and not can_draw():
        raise Misconfigured(f"--png {png}: matplotlib is missing; install it, as in `pip install 'askance[plot]'`")
    if plot is not None and plot.suffix not in (".html", ".svg"):
        raise Misconfigured(f"--plot {plot}: NAME.html or NAME.svg is expected")
    settings = settings_from(config, data_dir=data_dir, sets=sets)
    ledger = Ledger(settings.data_dir, read_only=True)
    report = make_report(ledger.evidence, precision=target_precision, recall=target_recall)
    if report is None:
        err.print("nothing to report: the ledger has no outputs yet")
        raise typer.Exit(FAILED)
    section = report.launch if launch else report.now
    out.print(_table(section))
    finished = Targets(**settings.targets.model_dump()).finished(ledger.evidence)
    models = trials(ledger.challenges)
    for line in (*_around(report, section), *_stopped(finished), *map(escape, said_of(models))):
        out.print(line, highlight=False, soft_wrap=True)
    if json is not None:
        figures = report.as_json() | {
            "finished": finished,
            "gained": gained(ledger.evidence),
            "models": models.as_json(),
        }
        json.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")
    if plot is not None:
        from service.drawing import draw

        plot.write_text(draw(section, html=plot.suffix == ".html"), encoding="utf-8")
    if png is not None:
        png.write_bytes(picture(section))
    same = not check or _checked(ledger.evidence)
    if not same or (report.claim is not None and not report.claim.holds):
        raise typer.Exit(FAILED)


@app.command("epoch")
def open_epoch(
    reason: Annotated[str, typer.Option("--reason", help="Why; shown in the report.")],
    config: Config = None,
    data_dir: DataDir = None,
    sets: Sets = None,
) -> None:
    """Evaluate what is scored from now on by itself; the service must not be running.

    Figures since launch go on beside it.

    Example:

        askance epoch --reason "new suppliers"
    """
    from service.ledger import Ledger

    ledger = Ledger(settings_from(config, data_dir=data_dir, sets=sets).data_dir)
    try:
        newest = ledger.evidence.epoch()
        if newest is None:
            err.print("no epoch can be opened: the ledger has no outputs yet")
            raise typer.Exit(FAILED)
        with ledger.transaction():
            number = ledger.evidence.open_epoch(newest.outputs, reason, time.time())
        out.print(f"epoch {number}: {escape(reason)}", highlight=False)
    finally:
        ledger.close()


def _table(section: Section) -> Table:
    title = f"quality as served, epoch {section.epoch}" if section.epoch else "quality as served, since launch"
    table = Table("output", title=title, box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("labels\n[dim]worth[/]", "decided\nso", "prevalence", "precision", "recall", "F1"):
        table.add_column(name, justify="right", no_wrap=True)
    for output in sorted(section.outputs, key=lambda one: -one.positive):
        table.add_row(
            escape(output.output),
            f"{output.labels:,}\n[dim]{output.effective:,.0f}[/]",
            f"{output.positive:,}",
            *(_percent(figure) for figure in (output.prevalence, output.precision, output.recall, output.f1)),
        )
    return table


def _percent(figure: Bounded) -> str:
    middle = "?" if figure.estimate is None else f"{100 * figure.estimate:.1f}"
    return f"{middle}\n[dim]{100 * figure.lower:.1f}-{100 * figure.upper:.1f}[/]"


def _around(report: Report, section: Section) -> list[str]:
    since = "" if section.since is None else f" since {_time(section.since)}"
    evaluated = (
        f"{section.arrivals:,} arrivals evaluated{since} ({escape(section.reason)}), {section.asked:,} asked about. "
        f"In %: the estimate, and bounds that hold at {100 * report.confidence:g} % at all times; "
        "`worth`: equally weighted labels that would weigh as much"
    )
    lines = [evaluated]
    if report.waiting:
        oldest = "" if report.waiting_since is None else f", the oldest since {_time(report.waiting_since)}"
        lines.append(f"{report.waiting:,} arrivals wait for answers to them or to those before them{oldest}")
    answered = [output.answered for output in section.outputs if output.answered is not None]
    if answered and min(answered) < 1.0:
        lines.append(
            f"answered: {100 * min(answered):.1f} % of what was asked, for the output answered least; "
            "the bounds take it that those answers speak for the rest"
        )
    if section.lost:
        lines.append(f"[yellow]{section.lost:,} queries never came to the ledger[/]")
    return lines if report.claim is None else [*lines, _claimed(report.claim, report.confidence)]


def _claimed(claim: Claim, confidence: float) -> str:
    wanted = f"precision of {claim.precision:g} and recall of {claim.recall:g}"
    together = f"at {100 * confidence:g} % for all of them together"
    if claim.holds:
        return f"[green]all {len(claim.met)} outputs reach a {wanted}[/], {together}"
    return f"not shown: {len(claim.met)} outputs reach a {wanted}, {len(claim.unproven)} are unproven, {together}"


def _stopped(finished: Mapping[str, str]) -> list[str]:
    """What is no longer asked for its own sake, and why, by the settings."""
    lines = []
    for cause in sorted(set(finished.values())):
        names = [name for name, why in finished.items() if why == cause]
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        lines.append(f"finished, {cause.replace('_', ' ')}: {escape(', '.join(names[:MOST_NAMED]))}{more}")
    return lines


def _checked(evidence: Evidence) -> bool:
    wrong = [epoch.number for epoch in evidence.epochs() if not evidence.checks(epoch.number)]
    out.print(f"[red]the sums of epochs {wrong} do not follow from the answers[/]" if wrong else "sums check")
    return not wrong


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
