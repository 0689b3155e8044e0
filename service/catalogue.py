"""A generated product feed that reads like a marketplace's, with labels: for the demo and for trials.

Several merchants put the same facts in their own words, languages, abbreviations and typos; some facts are only in the
description, some nowhere; some outputs are rare; some labels are wrong; midway a new merchant comes, wordings change
and second-hand goods come into fashion.
"""

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from service import assortment, wording
from service.assortment import KINDS
from service.feeds import Entry
from service.listings import Facts, listing
from service.merchants import MERCHANTS, Merchant
from service.picking import one, pick, weighed, weights

CATEGORIES: Final = tuple(dict.fromkeys(kind.category for kind in KINDS if kind.category))
OUTPUTS: Final = (
    *(f"category:{name}" for name in CATEGORIES),
    *(f"material:{name}" for name in ("leather", "cotton", "wool", "metal", "silk")),
    *(f"colour:{name}" for name in ("black", "white", "blue", "red")),
    *(f"audience:{name}" for name in ("women", "men", "children")),
    *(f"flag:{name}" for name in wording.FLAGS["en"]),
)
TREND: Final = 2.5  # how much more often goods are second-hand after the drift
MISSED: Final = 0.025  # share of products that lack one of their labels
MIXED_UP: Final = 0.015  # share of products with one label of the right field and the wrong value


def generate(n: int, *, seed: int, drift_at: float = 0.5) -> Iterator[Entry]:
    """Yield `n` labelled products; the same arguments give the same ones on every machine.

    Args:
        n: how many.
        seed: another seed, other products.
        drift_at: the share of the feed after which it drifts; 1 or more never does.

    """
    for number in range(n):
        draw = Random(f"{seed}/{number}")  # noqa: S311  (repeatable on purpose)
        late = number >= n * drift_at
        merchant = pick(draw, MERCHANTS, tuple(each.after if late else each.before for each in MERCHANTS))
        facts = _facts(draw, merchant, late=late)
        yield Entry(listing(draw, number, merchant, facts, late=late), _labels(draw, facts))


def write_feed(path: Path, n: int, *, seed: int, drift_at: float = 0.5) -> Path:
    """Write a generated feed as gzipped JSON lines, and its outputs beside it; return the path of the latter."""
    positives: Counter[str] = Counter()
    with path.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        for product, labels in generate(n, seed=seed, drift_at=drift_at):
            known = labels or frozenset()
            line = msgspec.to_builtins(product) | {"labels": [output for output in OUTPUTS if output in known]}
            packed.write(msgspec.json.encode(line) + b"\n")
            positives.update(known)
    counts = [
        {"name": name, "prevalence": positives[name] / max(1, n), "positives": positives[name]} for name in OUTPUTS
    ]
    listed = msgspec.json.encode({"dataset": "generated", "items": n, "outputs": counts})
    outputs = path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + ".outputs.json")
    outputs.write_bytes(msgspec.json.format(listed))
    return outputs


def _facts(draw: Random, merchant: Merchant, *, late: bool) -> Facts:
    category = weighed(draw, merchant.sells).replace("other", "")
    kinds = tuple(kind for kind in KINDS if kind.category == category)
    kind = pick(draw, kinds, tuple(each.often for each in kinds))
    material = weighed(draw, kind.materials)
    flags = []
    for flag, chance in zip(*weights(kind.flags), strict=True):
        trend = TREND if late and flag == "second-hand" else 1.0
        if draw.random() < chance * trend and assortment.NEEDS.get(flag, material) == material:
            flags.append(flag)
    return Facts(
        kind=kind,
        audience=weighed(draw, kind.audience) if kind.audience else "",
        material=material,
        colour=weighed(draw, assortment.JEWEL_COLOURS if category == "jewellery" else assortment.COLOURS),
        flags=tuple(flags),
    )


def _labels(draw: Random, facts: Facts) -> frozenset[str]:
    stated = {
        f"category:{facts.kind.category}",
        f"material:{facts.material}",
        f"colour:{facts.colour}",
        f"audience:{facts.audience}",
        *(f"flag:{flag}" for flag in facts.flags),
    }
    labels = [output for output in OUTPUTS if output in stated]
    luck = draw.random()
    if labels and luck < MISSED + MIXED_UP:
        lost = labels.pop(int(draw.random() * len(labels)))
        field = lost.split(":")[0]
        if luck < MIXED_UP and field != "flag":
            labels.append(one(draw, tuple(name for name in OUTPUTS if name.startswith(f"{field}:") and name != lost)))
    return frozenset(labels)
