"""How a merchant of the generated catalogue puts a thing into words: titles, descriptions, prices, typos."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from models.messages import Product
from service import assortment, wording
from service.assortment import Kind
from service.merchants import Merchant
from service.picking import one


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is true of one thing, before anybody puts it into words."""

    kind: Kind
    audience: str
    material: str
    colour: str
    flags: tuple[str, ...]


def listing(draw: Random, number: int, merchant: Merchant, facts: Facts, *, late: bool) -> Product:
    """Put the facts the way a merchant does; `late` is after the drift."""
    words = _words(draw, merchant, facts, late=late)
    said = {flag: _say(draw, wording.FLAGS[merchant.language], flag, merchant, late=late) for flag in facts.flags}
    in_title = [flag for flag in said if draw.random() < 0.7]
    title = one(draw, merchant.later if late and merchant.later else merchant.patterns).format_map(words)
    appended = [said[flag] for flag in in_title]
    if draw.random() < 0.2:
        appended.append(one(draw, wording.DECOYS[merchant.language].split("|")))
    description = None
    if draw.random() < merchant.described:
        fitting = [text for text in wording.DESCRIPTIONS[merchant.language].split("|") if _fits(text, words)]
        rest = [said[flag] for flag in said if flag not in in_title]
        description = _sentences(one(draw, fitting).format_map(words), rest)
    title = _case(merchant.glue.join([_tidy(title), *appended]), merchant.case)
    return Product(
        id=f"{merchant.code}-{number:06d}",
        title=_typo(draw, title) if draw.random() < merchant.typos else title,
        feed=merchant.name,
        description=description,
        brand=words["brand"] or None,
        price=_price(draw, merchant, facts),
        currency=merchant.currency,
        attributes={"size": words["size"]} if words["size"] and draw.random() < 0.5 else {},
    )


def _words(draw: Random, merchant: Merchant, facts: Facts, *, late: bool) -> Mapping[str, str]:
    language = merchant.language
    material = "jewel" if facts.kind.category == "jewellery" else facts.material
    brands = assortment.FASHION_BRANDS if facts.kind.audience else assortment.HOME_BRANDS
    brands = assortment.TOY_BRANDS if facts.kind.category == "toys" else brands
    return {
        "kind": one(draw, getattr(facts.kind, language).split("|")),
        "material": _say(draw, wording.MATERIALS[language], material, merchant, late=late),
        "colour": _say(draw, wording.COLOURS[language], facts.colour, merchant, late=late),
        "audience": _say(draw, wording.AUDIENCE[language], facts.audience, merchant, late=late),
        "size": one(draw, assortment.SIZES[facts.kind.sizes].split("|")) if facts.kind.sizes else "",
        "style": one(draw, assortment.STYLES.split("|")),
        "brand": one(draw, brands.split("|")) if draw.random() < merchant.branded else "",
    }


def _say(draw: Random, words: Mapping[str, str], name: str, merchant: Merchant, *, late: bool) -> str:
    if not name:
        return ""
    newer = late and merchant.language == "en" and name in wording.LATER and draw.random() < 0.5
    return one(draw, (wording.LATER[name] if newer else words[name]).split("|"))


def _price(draw: Random, merchant: Merchant, facts: Facts) -> float | None:
    if draw.random() < 0.03:
        return None
    spread = (0.6 + 0.8 * draw.random()) * (0.7 + 0.8 * draw.random())
    worth = (1.6 if facts.material in ("leather", "silk") else 1.0) * (0.5 if "second-hand" in facts.flags else 1.0)
    return round(math.floor(facts.kind.price * spread * worth * merchant.rate) + merchant.ending, 2)


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
    at = one(draw, places)
    first, second = title[at], title[at + 1]
    return title[:at] + one(draw, (second + first, first, first + first + second)) + title[at + 2 :]


def _fits(pattern: str, words: Mapping[str, str]) -> bool:
    return all(words[slot] for slot in re.findall(r"{(\w+)}", pattern))


def _sentences(text: str, more: list[str]) -> str:
    written = " ".join([text, *(f"{phrase}." for phrase in more)])
    return re.sub(r"(^|[.] )(\w)", lambda match: match[1] + match[2].upper(), written)


def _tidy(text: str) -> str:
    """Close the gaps that empty slots leave."""
    return re.sub(r"\s+([,.])", r"\1", re.sub(r"\s+", " ", text)).strip(" ,-/")
