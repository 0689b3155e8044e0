"""Commands that answer "how do you know?": ledger, audit, explain, quality."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from service.cli import FAILED, Config, DataDir, Kafka, Sets, app, err, out, settings_from


@app.command()
def ledger(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Learn all anew from the ledger; compare digests.")
    ] = False,
    config: Config = None,
    data_dir: DataDir = None,
    sets: Sets = None,
) -> None:
    """Print the balance of queries and the model's digest, and check both.

    The balance: issued = answered + skipped + expired + withdrawn + open. The digest is that of the newest good
    checkpoint with the batches after it, which is what a restart would serve.

    Examples:

        askance ledger

        askance ledger --rebuild
    """
    from service.learners import beside, encoders_of, rebuilt, restored
    from service.ledger import Ledger

    settings = settings_from(config, data_dir=data_dir, sets=sets)
    book = Ledger(settings.data_dir, read_only=True)
    counted, recounted = book.balance(), book.recount()
    table = Table("queries", "", title="ledger")
    for name, n in counted.items():
        table.add_row(name, f"{n:,}")
    table.add_section()
    for name, n in book.outcomes().items():
        table.add_row(f"labels {name.replace('_', ' ')}", f"{n:,}")
    out.print(table)
    balanced = counted == recounted and counted["issued"] == sum(n for k, n in counted.items() if k != "issued")
    out.print("balance holds" if balanced else f"[red]balance broken[/]: counted {counted}, found {recounted}")
    if book.batches.last() < 0:
        raise typer.Exit(0 if balanced else FAILED)
    encoders = encoders_of(settings)
    now = restored(settings, book, encoders)
    start = "the first batch" if now.checkpoint is None else f"the checkpoint of batch {now.checkpoint}"
    digest = now.learner.digest()
    out.print(f"model {now.learner.version}: {digest} (from {start}, {now.batches} batches after it)", soft_wrap=True)
    same = True
    if rebuild:
        again = rebuilt(settings, book, encoders).digest()
        same = again == digest
        out.print(
            f"rebuilt {book.batches.last()}: {again} ({'the same' if same else '[red]another[/]'})", soft_wrap=True
        )
    rivals = beside(settings, book, encoders)
    for one in book.challenges.running():
        digests = rivals.digests(one.number)
        out.print(f"{one.kind.value} {one.number}: {' '.join(digests)}", soft_wrap=True)
        if rebuild:
            alike = rivals.anew(book, one) == (digests, one.contrasts)
            out.print(
                f"rebuilt {one.kind.value} {one.number}: {'the same, its sums too' if alike else '[red]another[/]'}"
            )
            same = same and alike
    if not (balanced and same):
        raise typer.Exit(FAILED)


@app.command("audit")
def audit_log(
    config: Config = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    sets: Sets = None,
) -> None:
    """Make every decision in the log again and compare; 1 if any does not hold.

    Example:

        askance audit
    """
    from service.assembly import clients
    from service.audit import audit
    from service.cli_trials import bar
    from service.halves import asking_of

    settings = settings_from(config, data_dir=data_dir, kafka=kafka, sets=sets)
    asking = asking_of(settings)
    with bar("audit", None) as progress:
        found = audit(
            clients(settings).read,
            key=asking.key,
            stream=asking.stream,
            p_min=asking.p_min,
            group=settings.kafka.group,
            tick=lambda n: progress.advance(progress.task_ids[0], n),
        )
    table = Table("", "", title="audit")
    rows = {
        "products the scorers are past": found.arrivals,
        "predicted": found.predicted,
        "rejected": found.rejected,
        "asked": found.asked,
        "queries": found.queries,
    }
    for name, n in rows.items():
        table.add_row(name, f"{n:,}")
    table.add_row("smallest chance", f"{found.least:.4f}")
    table.add_row("draws uniform, p-value", f"{found.uniform:.3f}")
    table.add_row("problems", f"{found.found:,}")
    out.print(table)
    for problem in found.problems:
        err.print(f"[red]{escape(problem)}[/]", highlight=False, soft_wrap=True)
    if found.found:
        raise typer.Exit(FAILED)


@app.command()
def explain(
    identity: Annotated[str, typer.Argument(metavar="ID", help="A product id, an arrival, or a query id.")],
    most: Annotated[int, typer.Option(min=1, help="Most arrivals told, newest first.")] = 5,
    config: Config = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    sets: Sets = None,
) -> None:
    """Tell the whole story: arrival, scores, chance and its terms, draw, query, answers, batches that learnt.

    Examples:

        askance explain 15970

        askance explain products/0/4711
    """
    from heapq import nlargest

    from service.assembly import clients
    from service.explain import explain as tell
    from service.ledger import Ledger
    from service.ledger_file import LedgerUnusable
    from service.outputs import outputs_known
    from service.telling import told

    settings = settings_from(config, data_dir=data_dir, kafka=kafka, sets=sets)
    try:
        book: Ledger | None = Ledger(settings.data_dir, read_only=True)
    except LedgerUnusable as error:
        book = None
        err.print(f"[yellow]without the ledger:[/] {escape(str(error))}", highlight=False)
    outputs = outputs_known(settings, book)
    stories = nlargest(most, tell(identity, clients(settings).read, book), key=lambda story: story.at)
    for story in stories:
        said = story.prediction
        named = outputs if book is None or said is None else book.batches.outputs(until=said.model)
        out.print(Panel(escape(told(story, named)), title=escape(story.arrival), title_align="left"))
    if not stories:
        err.print(f"nothing is known of {escape(repr(identity))}: no product, arrival or query has this id")
        raise typer.Exit(FAILED)


@app.command()
def quality(
    truth: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Labelled feed that knows the answers.")],
    window: Annotated[int, typer.Option(min=50, help="Arrivals per row.")] = 2_000,
    config: Config = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    sets: Sets = None,
) -> None:
    """Progressive quality: the scores served before learning, against a labelled feed, stretch by stretch.

    Example:

        askance quality --truth shop.jsonl.gz
    """
    from models.coding import read
    from models.messages import Prediction
    from service.assembly import clients
    from service.crowd import truth as collect
    from service.feeds import read_products
    from service.ledger import Ledger
    from service.outputs import outputs_known
    from service.quality import progressive
    from service.reading import in_order, read_topic

    settings = settings_from(config, data_dir=data_dir, kafka=kafka, sets=sets)
    outputs = outputs_known(settings, Ledger(settings.data_dir, read_only=True))
    records = in_order(read_topic(clients(settings).read, "predictions"))
    predictions = (read(Prediction, record, limit=64_000_000) for record in records)
    table = Table("arrivals", "asked", "model", "outputs measured", "macro AP", "micro F1", title="progressive quality")
    rows = 0
    for row in progressive(predictions, collect(read_products(truth)), outputs, window):
        rows += 1
        table.add_row(
            *(f"{n:,}" for n in (row.arrivals, row.asked, row.model, row.outputs)),
            f"{row.macro_ap:.3f}",
            f"{row.micro_f1:.3f}",
        )
    out.print(table)
    if not rows:
        err.print(f"fewer than {window // 2} predictions of products that {truth} knows; try a smaller --window")
        raise typer.Exit(FAILED)
