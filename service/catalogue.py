"""A generated product feed that reads like a marketplace's, with labels: for the demo and for trials.

Several merchants put the same facts in their own words, languages, abbreviations and typos; some facts are only in the
description, some nowhere; some outputs are rare; some labels are wrong; midway a new merchant comes, wordings change
and second-hand goods come into fashion.
"""

import gzip
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Final, TypeVar

import msgspec

from models.messages import Product
from service import assortment, wording
from service.assortment import KINDS, Kind
from service.feeds import Entry
from service.merchants import MERCHANTS, Merchant

CATEGORIES: Final = (
    "shoes",
    "dresses",
    "jackets",
    "shirts",
    "bags",
    "jewellery",
    "cookware",
    "bedding",
    "lighting",
    "toys",
)
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
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What is true of one thing, before anybody puts it into words."""

    kind: Kind
    audience: str
    material: str
    colour: str
    flags: tuple[str, ...]


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
        merchant = _pick(draw, MERCHANTS, tuple(one.after if late else one.before for one in MERCHANTS))
        facts = _facts(draw, merchant, late=late)
        yield Entry(_product(draw, number, merchant, facts, late=late), _labels(draw, facts))


def write_feed(path: Path, n: int, *, seed: int, drift_at: float = 0.5) -> Path:
    """Write a generated feed as gzipped JSON lines, and its outputs beside it; return the path of the latter."""
    positives: Counter[str] = Counter()
    with path.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        for product, labels in generate(n, seed=seed, drift_at=drift_at):
            known = labels or frozenset()
            line = msgspec.to_builtins(product) | {"labels": [output for output in OUTPUTS if output in known]}
            packed.write(msgspec.json.encode(line) + b"\n")
            positives.update(known)
    listed = [
        {"name": name, "prevalence": positives[name] / max(1, n), "positives": positives[name]} for name in OUTPUTS
    ]
    outputs = path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + ".outputs.json")
    outputs.write_bytes(
        msgspec.json.format(msgspec.json.encode({"dataset": "generated", "items": n, "outputs": listed}))
    )
    return outputs


def _facts(draw: Random, merchant: Merchant, *, late: bool) -> _Facts:
    category = _weighed(draw, merchant.sells).replace("other", "")
    kinds = tuple(kind for kind in KINDS if kind.category == category)
    kind = _pick(draw, kinds, tuple(one.often for one in kinds))
    material = _weighed(draw, kind.materials)
    flags = []
    for flag, chance in zip(*_weights(kind.flags), strict=True):
        trend = TREND if late and flag == "second-hand" else 1.0
        if draw.random() < chance * trend and assortment.NEEDS.get(flag, material) == material:
            flags.append(flag)
    return _Facts(
        kind=kind,
        audience=_weighed(draw, kind.audience) if kind.audience else "",
        material=material,
        colour=_weighed(draw, assortment.JEWEL_COLOURS if category == "jewellery" else assortment.COLOURS),
        flags=tuple(flags),
    )


def _labels(draw: Random, facts: _Facts) -> frozenset[str]:
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
            labels.append(_one(draw, tuple(name for name in OUTPUTS if name.startswith(f"{field}:") and name != lost)))
    return frozenset(labels)


def _product(draw: Random, number: int, merchant: Merchant, facts: _Facts, *, late: bool) -> Product:
    words = _words(draw, merchant, facts, late=late)
    said = {flag: _say(draw, wording.FLAGS[merchant.language], flag, merchant, late=late) for flag in facts.flags}
    in_title = [flag for flag in said if draw.random() < 0.7]
    title = _one(draw, merchant.later if late and merchant.later else merchant.patterns).format_map(words)
    appended = [said[flag] for flag in in_title]
    if draw.random() < 0.2:
        appended.append(_one(draw, wording.DECOYS[merchant.language].split("|")))
    description = None
    if draw.random() < merchant.described:
        fitting = [text for text in wording.DESCRIPTIONS[merchant.language].split("|") if _fits(text, words)]
        rest = [said[flag] for flag in said if flag not in in_title]
        description = _sentences(_one(draw, fitting).format_map(words), rest)
    title = merchant.glue.join([_tidy(title), *appended])
    return Product(
        id=f"{merchant.code}-{number:06d}",
        title=_typo(draw, _case(title, merchant.case))
        if draw.random() < merchant.typos
        else _case(title, merchant.case),
        feed=merchant.name,
        description=description,
        brand=words["brand"] or None,
        price=_price(draw, merchant, facts),
        currency=merchant.currency,
        attributes={"size": words["size"]} if words["size"] and draw.random() < 0.5 else {},
    )


def _words(draw: Random, merchant: Merchant, facts: _Facts, *, late: bool) -> Mapping[str, str]:
    language = merchant.language
    material = "jewel" if facts.kind.category == "jewellery" else facts.material
    brands = assortment.FASHION_BRANDS if facts.kind.audience else assortment.HOME_BRANDS
    brands = assortment.TOY_BRANDS if facts.kind.category == "toys" else brands
    return {
        "kind": _one(draw, getattr(facts.kind, language).split("|")),
        "material": _say(draw, wording.MATERIALS[language], material, merchant, late=late),
        "colour": _say(draw, wording.COLOURS[language], facts.colour, merchant, late=late),
        "audience": _say(draw, wording.AUDIENCE[language], facts.audience, merchant, late=late)
        if facts.audience
        else "",
        "size": _one(draw, assortment.SIZES[facts.kind.sizes].split("|")) if facts.kind.sizes else "",
        "style": _one(draw, assortment.STYLES.split("|")),
        "brand": _one(draw, brands.split("|")) if draw.random() < merchant.branded else "",
    }


def _say(draw: Random, words: Mapping[str, str], name: str, merchant: Merchant, *, late: bool) -> str:
    newer = late and merchant.language == "en" and name in wording.LATER and draw.random() < 0.5
    return _one(draw, (wording.LATER[name] if newer else words[name]).split("|"))


def _price(draw: Random, merchant: Merchant, facts: _Facts) -> float | None:
    if draw.random() < 0.03:
        return None
    spread = math.exp(0.9 * (draw.random() + draw.random() - 1.0))
    worth = (1.6 if facts.material in ("leather", "silk") else 1.0) * (0.5 if "second-hand" in facts.flags else 1.0)
    return math.floor(facts.kind.price * spread * worth * merchant.rate) + merchant.ending


def _case(title: str, case: str) -> str:
    if case == "upper":
        return title.upper()
    if case == "title":
        return " ".join(word[:1].upper() + word[1:] if word not in ("in", "of") else word for word in title.split(" "))
    if case == "short":
        return " ".join(wording.ABBREVIATIONS.get(word, word) for word in title.lower().split(" "))
    return title.lower() if case == "lower" else title[:1].upper() + title[1:]


def _typo(draw: Random, title: str) -> str:
    """Swap two letters, drop one or double one, inside a word."""
    places = [match.start() + 1 for match in re.finditer(r"\w{3,}", title)]
    if not places:
        return title
    at = _one(draw, places)
    first, second = title[at], title[at + 1]
    return title[:at] + _one(draw, (second + first, first, first + first + second)) + title[at + 2 :]


def _fits(pattern: str, words: Mapping[str, str]) -> bool:
    return all(words[slot] for slot in re.findall(r"{(\w+)}", pattern))


def _sentences(text: str, more: list[str]) -> str:
    written = " ".join([text, *(f"{phrase}." for phrase in more)])
    return re.sub(r"(^|[.] )(\w)", lambda match: match[1] + match[2].upper(), written)


def _tidy(text: str) -> str:
    """Close the gaps that empty slots leave."""
    return re.sub(r"\s+([,.])", r"\1", re.sub(r"\s+", " ", text)).strip(" ,-/")


@cache
def _weights(text: str) -> tuple[tuple[str, ...], tuple[float, ...]]:
    pairs = [item.rsplit(":", 1) for item in text.split()]
    return tuple(name for name, _ in pairs), tuple(float(weight) for _, weight in pairs)


def _weighed(draw: Random, text: str) -> str:
    return _pick(draw, *_weights(text))


def _pick(draw: Random, options: tuple[T, ...], weights: tuple[float, ...]) -> T:
    return draw.choices(options, weights)[0]


def _one(draw: Random, options: list[T] | tuple[T, ...]) -> T:
    return options[int(draw.random() * len(options))]
