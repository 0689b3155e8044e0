"""The command about encoders: encoder."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from service.cli import Config, DataDir, Kafka, Sets, app, err, out, settings_from
from service.feeds import Entry
from service.settings import Misconfigured

MOST_COMPLAINTS = 5  # shown of the lines that were skipped

Feeds = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FEED ...", help="JSON lines or CSV, either gzipped.", exists=True, dir_okay=False),
]


class Action(StrEnum):
    """What can be done about an encoder."""

    LEARN = "learn"


@app.command("encoder")
def learn_encoder(
    action: Annotated[Action, typer.Argument(help="What to do.", metavar="learn")],  # noqa: ARG001 - there is but one
    folder: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="A new folder, for `model.encoder`.")],
    feeds: Feeds = None,
    from_log: Annotated[bool, typer.Option("--from-log", help="Learn from the products in the log too.")] = False,
    dimensions: Annotated[int, typer.Option(min=2, max=1_024, help="Numbers of an embedding.")] = 128,
    products: Annotated[int, typer.Option(min=10, max=200_000, help="Most products learnt from.")] = 20_000,
    config: Config = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    sets: Sets = None,
) -> None:
    """Learn an encoder from products without labels: which words are used alike. Labels in a feed are not looked at.

    Of more products than wanted, a fixed choice is taken from all of them. The same products give the same encoder.

    Examples:

        askance encoder learn shop.jsonl.gz --out /models/shop-encoder

        askance encoder learn --from-log --out /models/shop-encoder

        askance candidate start --set model.encoder=/models/shop-encoder
    """
    from models.latent import PASSES, TooLittle, fit
    from service.assembly import clients
    from service.cli_trials import bar
    from service.feeds import count_products, read_lines
    from service.latent_file import LatentEncoder, Sample, logged, refuse, write

    if not feeds and not from_log:
        raise Misconfigured("FEED ... or --from-log: say what to learn from")
    refuse(folder)
    sample, skipped = Sample(products), 0
    lines: list[Iterator[Entry | Exception]] = [*map(read_lines, feeds or ())]
    if from_log:
        lines.append(logged(clients(settings_from(config, data_dir=data_dir, kafka=kafka, sets=sets)).read))
    with bar("read", None if from_log else sum(map(count_products, feeds or ()))) as progress:
        for entry in chain.from_iterable(lines):
            progress.advance(progress.task_ids[0])
            if isinstance(entry, Entry):
                sample.add(entry.product)
                continue
            skipped += 1
            if skipped <= MOST_COMPLAINTS:
                err.print(f"[yellow]skipped[/] {escape(str(entry))}", highlight=False)
    texts, space = sample.texts(), None
    try:
        with bar("learn", PASSES) as progress:
            for space in fit(texts, dimensions):  # noqa: B007 - the last one is kept
                progress.advance(progress.task_ids[0])
    except TooLittle as error:
        raise Misconfigured(f"--dimensions {dimensions}: {error}; give more products, or ask for fewer") from error
    if space is not None:
        write(folder, space, len(texts))
        said = f"{len(texts):,} different products, {len(space.words):,} words and pairs, {skipped:,} lines skipped"
        out.print(
            f"{said}; in {escape(str(folder))}#{LatentEncoder(folder).digest[:16]}", highlight=False, soft_wrap=True
        )
