"""Commands to try it out: replay, annotate, simulate, demo."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.faults import LogUnavailable
from producers.port import DeliveryFailed
from service.cli import FAILED, Config, DataDir, Kafka, Sets, app, err, out, settings_from, stopping

Feed = Annotated[Path, typer.Argument(help="JSON lines or CSV, either gzipped.", exists=True, dir_okay=False)]


class Order(StrEnum):
    """In which order a simulation streams a feed."""

    SHUFFLED = "shuffled"
    SOURCE = "source"


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Progress]:
    """A progress bar on standard error, with one task."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=err) as progress:
        progress.add_task(what, total=total, note="")
        yield progress


@app.command()
def replay(
    feed: Feed,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Products per second; without it, at once.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most products sent.")] = None,
    config: Config = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    sets: Sets = None,
) -> None:
    """Publish the products of a feed, as if they came in now. Labels in the file are not sent.

    Example:

        askance replay shop.jsonl.gz --rate 200
    """
    from service.assembly import clients
    from service.feeds import count_products, read_lines
    from service.replay import Replayed
    from service.replay import replay as publish

    settings = settings_from(config, data_dir=data_dir, kafka=kafka, sets=sets)
    total = count_products(feed)
    done = Replayed()
    producer = clients(settings).write(f"{settings.stream}-replay")
    try:
        with bar("replay", min(total, limit or total)) as progress:
            for done in publish(
                read_lines(feed), producer, rate=rate, limit=limit, clock=time.monotonic, sleep=time.sleep
            ):
                progress.update(progress.task_ids[0], completed=done.sent)
    finally:
        producer.close()
    for complaint in done.complaints:
        err.print(f"[yellow]skipped[/] {escape(complaint)}", highlight=False)
    out.print(f"{done.sent:,} products sent, {done.skipped:,} lines skipped, {done.bytes / 1e6:.1f} MB")


@app.command()
def annotate(
    truth: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Labelled feed that knows the answers.")],
    annotators: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    accuracy: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of right answers.")] = 1.0,
    delay: Annotated[float, typer.Option(min=0.0, help="Mean seconds to an answer, exponential.")] = 0.0,
    unsure: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of outputs answered 'unsure'.")] = 0.0,
    skip: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of queries skipped.")] = 0.0,
    overlap: Annotated[int, typer.Option(min=1, help="Annotators who answer the same query.")] = 1,
    seed: Annotated[int, typer.Option(help="Another seed, another crowd.")] = 0,
    idle: Annotated[float | None, typer.Option("--until-idle", min=0.1, help="End after so many idle seconds.")] = None,
    config: Config = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    sets: Sets = None,
) -> None:
    """Answer queries from a labelled feed, as annotators would: late, out of order and imperfectly.

    Example:

        askance annotate --truth shop.jsonl.gz --annotators 5 --accuracy 0.95 --delay 3
    """
    from service.annotators import annotate as answer
    from service.assembly import clients
    from service.crowd import Crowd, Habits
    from service.crowd import truth as collect
    from service.feeds import read_products
    from service.settings import Misconfigured

    settings = settings_from(config, data_dir=data_dir, kafka=kafka, sets=sets)
    try:
        habits = Habits(
            annotators=annotators, accuracy=accuracy, delay=delay, unsure=unsure, skip=skip, overlap=overlap, seed=seed
        )
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    known = collect(read_products(truth))
    if not known:
        raise Misconfigured(f"--truth {truth}: none of its products has labels, so no answer is known")
    reach = clients(settings)
    with stopping() as stop, bar("answers", None) as progress:

        def serve() -> None:
            consumer = reach.read(("queries",), f"{settings.kafka.group}-annotators", None)
            with closing(consumer), closing(reach.write(f"{settings.stream}-annotators")) as producer:
                for done in answer(consumer, producer, Crowd(known, habits), stop=stop, clock=time.time, idle=idle):
                    note = f"{done.queries:,} queries, {done.open:,} open, {done.skipped:,} skipped"
                    progress.update(progress.task_ids[0], completed=done.labels, note=note)

        while not stop.is_set():
            try:
                serve()
                break
            except (LogUnavailable, DeliveryFailed) as error:
                err.print(f"[yellow]waiting for the log:[/] {escape(str(error))}", highlight=False)
                stop.wait(2.0)


@app.command()
def simulate(
    feed: Feed,
    outputs: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Outputs file.")],
    report: Annotated[Path, typer.Option(help="Where the report goes, as JSON.")],
    policy: Annotated[str | None, typer.Option(help="A policy by name; default: of the settings.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.0001, max=1.0, help="Share of products asked about.")] = None,
    labels: Annotated[int | None, typer.Option(min=1, help="Products asked about in all.")] = None,
    order: Annotated[Order, typer.Option(help="By a hash of seed and id, or as in the file.")] = Order.SHUFFLED,
    holdout: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share held out to measure quality on.")] = 0.2,
    limit: Annotated[int | None, typer.Option(min=1, help="Length of the stream, after ordering.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order and the draws.")] = 0,
    delay: Annotated[int, typer.Option(min=0, help="Products between a query and its answer.")] = 0,
    noise: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of binary answers that are wrong.")] = 0.0,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Try a policy on a labelled feed before paying for labels: the same scorer, policy and learner, without a log.

    Example:

        askance simulate shop.jsonl.gz --outputs shop.outputs.json --rate 0.1 --report out.json
    """
    import torch
    from rich.table import Table

    from service.learners import encoders_of
    from service.outputs import check_shares
    from service.settings import Misconfigured
    from service.simulate import Trial, load, run
    from service.simulate import report as summed_up

    given = {"asking.policy": policy, "asking.share": rate}
    settings = settings_from(config, sets=[*(sets or []), *(f"{name}={one}" for name, one in given.items() if one)])
    if labels is not None and (rate is not None or settings.asking.output_shares):
        other = "asking.output_shares" if rate is None else "--rate"
        raise Misconfigured(f"{other} and --labels: give one of them, not both")
    if not report.parent.is_dir():
        raise Misconfigured(f"--report {report}: there is no folder {report.parent}")
    trial = Trial(
        policy=settings.asking.policy,
        damping=settings.asking.damping,
        share=settings.asking.share,
        labels=labels,
        order=order.value,
        holdout=holdout,
        limit=limit,
        seed=seed,
        delay=delay,
        noise=noise,
        asking="outputs" if settings.asking.unit == "output" else "product",
        floor=settings.asking.p_min,
        output_shares=settings.asking.output_shares,
        settings=settings.model,
        device=settings.learning.device,
        encoder=encoders_of(settings).of(settings.model.encoder),
    )
    torch.set_num_threads(settings.learning.threads)
    data, steps = load(feed, outputs, trial), []
    check_shares(settings, data.outputs)
    with bar("simulate", len(data.stream)) as progress:
        for step in run(data, trial):
            steps.append(step)
            progress.update(progress.task_ids[0], completed=step.products, note=f"{step.labels:,} labels")
    result = summed_up(data, trial, steps)
    report.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    table = Table("labels", "products", "macro AP", "micro F1", title=f"{result['feed']}, {result['policy']}")
    for point in result["points"]:
        table.add_row(
            *(f"{point[k]:,}" for k in ("labels", "products")), *(f"{point[k]:.3f}" for k in ("macro_ap", "micro_f1"))
        )
    out.print(table)
    out.print(f"{result['seconds']:.1f} s, {result['products_per_second']:,.0f} products/s; written to {report}")


@app.command()
def generate(
    feed: Annotated[Path, typer.Argument(help="Where it goes, as NAME.jsonl.gz; NAME.outputs.json is put beside it.")],
    products: Annotated[int, typer.Option(min=1, help="How many.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Another seed, another feed.")] = 0,
) -> None:
    """Write a labelled feed of invented products, to try things with where there is none at hand.

    Example:

        askance generate shop.jsonl.gz --products 5000
    """
    from service.catalogue import write_feed

    outputs = write_feed(feed, products, seed=seed)
    out.print(f"{products:,} products in {feed}, their outputs in {outputs}")


@app.command()
def demo(
    products: Annotated[int, typer.Option(min=1000, max=200_000, help="Length of the generated feed.")] = 6_000,
    rate: Annotated[float, typer.Option(min=10, help="Products per second.")] = 150.0,
    seed: Annotated[int, typer.Option(help="Of the feed and the annotators.")] = 0,
    keep: Annotated[Path | None, typer.Option(help="Use and keep this data directory (must not exist).")] = None,
) -> None:
    """The whole loop on a generated feed: it asks, annotators answer late and imperfectly, quality rises.

    Ends by itself: 0 only if the ledger's balance and the audit hold and quality rose.

    Example:

        askance demo --products 4000
    """
    from service.demo import run_demo
    from service.logs import configure
    from service.settings import Misconfigured

    if keep is not None and keep.exists():
        raise Misconfigured(f"--keep {keep}: it exists already; name a new directory")
    configure(level="warning")
    if not run_demo(products=products, rate=rate, seed=seed, keep=keep, console=out):
        raise typer.Exit(FAILED)
