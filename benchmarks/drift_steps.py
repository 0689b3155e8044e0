"""What the runs of the drift benchmark share: asking, telling the detectors, renewing the page."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from drift_streams import Stream

from models.chance import draw, query_id
from models.lessons import Lesson
from models.messages import Tally
from models.view import View
from models.watched import Yardstick
from service.ledger import Ledger

BATCH: Final = 64
SHARE: Final = 0.1
LASTS: Final = 5_000  # arrivals of a reaction


def drawn(stream: Stream, place: int, seed: int) -> float:
    return draw(f"drift/{seed}".encode(), stream.name, f"products/0/{place}")


def asked(stream: Stream, batch: range, chances: Iterable[float], seed: int) -> list[Lesson]:
    """The answers to what is asked of a batch with these chances."""
    return [
        Lesson(
            query=query_id(stream.name, f"products/0/{i}"), product=stream.products[i],
            targets=stream.answers[i].astype(np.float32), chance=np.full(len(stream.outputs), p, np.float32),
        )
        for i, p in zip(batch, chances, strict=True)
        if drawn(stream, i, seed) < p
    ]  # fmt: skip


def tell(ledger: Ledger, by: Yardstick, view: View, batch: range, version: int) -> list[tuple[int, str]]:
    """Show a batch to the detectors; an alarm is the arrivals before it and its signal."""
    signals = msgspec.structs.replace(by.told(by.measure(view)), yardstick=version)
    tally = Tally(
        topic="products", partition=0, first=batch[0], last=batch[-1], model=0, policy="", n=len(batch),
        asked=0, chance=0.0, scale=1.0, outputs={}, signals=signals, at=1e9,
    )  # fmt: skip
    with ledger.transaction():
        change = ledger.drift.add(tally)
        ledger.traffic.add(tally)
        if change is None:
            return []
        ledger.drift.react(change, arrivals=LASTS, batch=None, keep=0)
        return [(batch.stop, change.signal)]


def renew(page: Path, name: str, rows: Sequence[str]) -> None:
    """Put rows in the place of those of a table of the page; its heading stays."""
    before, rest = page.read_text().split(f"<!-- {name}: begin -->\n")
    table, after = rest.split(f"<!-- {name}: end -->")
    heading = table.splitlines()[:2]
    page.write_text(before + "\n".join([f"<!-- {name}: begin -->", *heading, *rows, f"<!-- {name}: end -->"]) + after)
