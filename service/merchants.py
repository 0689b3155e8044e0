"""The merchants of the generated catalogue: what each sells and how it writes."""

from dataclasses import dataclass
from typing import Final

_FASHION: Final = "shoes:4 dresses:3 jackets:3 shirts:3 bags:3 jewellery:2 other:2"
_HOME: Final = "cookware:4 bedding:4 lighting:4 toys:1 other:2"
_ALL: Final = "shoes:3 dresses:2 jackets:2 shirts:2 bags:2 jewellery:2 cookware:2 bedding:2 lighting:2 toys:2 other:2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """One merchant.

    Args:
        name: what its products name as their feed.
        code: how its product ids begin.
        language: of its words; one of those in `wording`.
        currency: of its prices.
        rate: units of that currency for a euro.
        ending: what its prices end in.
        before: its share of the feed before the drift, as a weight.
        after: the same from the drift on.
        sells: weights of categories.
        case: plain, title, upper, lower, or short for lower case with abbreviations.
        patterns: of its titles.
        later: its patterns from the drift on, if others.
        glue: what it puts between a title and what is appended to it.
        typos: share of titles with one.
        described: share of products with a description.
        branded: share of products with a brand.

    """

    name: str
    code: str
    language: str
    currency: str
    rate: float = 1.0
    ending: float
    before: float
    after: float
    sells: str
    case: str
    patterns: tuple[str, ...]
    later: tuple[str, ...] = ()
    glue: str
    typos: float
    described: float
    branded: float


MERCHANTS: Final = (
    Merchant(
        name="Harrow & Finch",
        code="hf",
        language="en",
        currency="GBP",
        rate=0.86,
        ending=0.0,
        before=4,
        after=3,
        sells=_FASHION,
        case="title",
        patterns=("{brand} {style} {kind} in {colour} {material}", "{brand} {audience} {material} {kind}, {colour}"),
        glue=" | ",
        typos=0.0,
        described=0.8,
        branded=1.0,
    ),
    Merchant(
        name="Schnäppchenmarkt24",
        code="sm",
        language="de",
        currency="EUR",
        ending=0.99,
        before=3,
        after=2,
        sells=_ALL,
        case="upper",
        patterns=(
            "{audience} {kind} {material} {colour} {size}",
            "{kind} {brand} {colour} {material}",
            "*NEU* {audience} {kind} {size}",
        ),
        glue=" - ",
        typos=0.12,
        described=0.25,
        branded=0.5,
    ),
    Merchant(
        name="outlet-direct",
        code="od",
        language="en",
        currency="USD",
        rate=1.08,
        ending=0.95,
        before=4,
        after=3,
        sells=_ALL,
        case="short",
        patterns=(
            "{audience} {kind} {material} {colour} {size}",
            "{brand} {kind} {colour} {size}",
            "{material} {kind} {audience} {colour}",
        ),
        later=("{brand} / {kind} / col:{colour} / mat:{material} / {audience}", "{kind} {style} {size} {colour}"),
        glue=" ",
        typos=0.1,
        described=0.1,
        branded=0.6,
    ),
    Merchant(
        name="Maison Calou",
        code="mc",
        language="fr",
        currency="EUR",
        ending=0.9,
        before=2,
        after=2,
        sells=_FASHION,
        case="plain",
        patterns=("{kind} en {material} {colour} {audience}", "{kind} {style} - {colour} - {audience} {size}"),
        glue=", ",
        typos=0.02,
        described=0.6,
        branded=0.8,
    ),
    Merchant(
        name="Nordlys Home",
        code="nl",
        language="en",
        currency="SEK",
        rate=11.4,
        ending=0.0,
        before=3,
        after=3,
        sells=_HOME,
        case="plain",
        patterns=(
            "{brand} {style} {kind}, {material}, {colour}, {size}",
            "{style} {kind} {size} {colour}",
            "{material} {kind} by {brand}, {colour}",
        ),
        later=("{kind} '{style}' {colour}", "{brand} collection: {kind}, {material}, {size}"),
        glue=", ",
        typos=0.02,
        described=0.85,
        branded=0.9,
    ),
    Merchant(
        name="bazaar_k9",
        code="bk",
        language="en",
        currency="USD",
        rate=1.08,
        ending=0.49,
        before=2,
        after=2,
        sells=_ALL,
        case="lower",
        patterns=(
            "hot sale {kind} {colour} {material} {audience} fashion {kind} {size}",
            "new {audience} {kind} {material} high quality {colour}",
        ),
        glue=" ",
        typos=0.35,
        described=0.15,
        branded=0.1,
    ),
    Merchant(
        name="Tienda Luz",
        code="tl",
        language="es",
        currency="EUR",
        ending=0.95,
        before=0,
        after=5,
        sells="lighting:4 toys:4 bags:2 shoes:2 jewellery:2 shirts:1 other:1",
        case="plain",
        patterns=("{kind} {audience} de {material} {colour}", "{kind} {colour} {size} {brand}"),
        glue=". ",
        typos=0.05,
        described=0.4,
        branded=0.5,
    ),
)
