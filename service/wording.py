"""The words of the generated catalogue by language; wordings are separated by bars, slots in braces are filled in."""

from typing import Final

# fmt: off
MATERIALS: Final = {
    "en": {"leather": "leather|full-grain leather|suede|nappa leather", "cotton": "cotton|cotton|jersey|percale|denim",
           "wool": "wool|merino|lambswool|cashmere blend", "silk": "silk|mulberry silk|satin silk",
           "metal": "stainless steel|brass|cast iron|copper|brushed steel",
           "jewel": "sterling silver|gold-plated|brass|stainless steel", "plastic": "plastic|ABS|BPA-free plastic",
           "synthetic": "polyester|nylon|faux leather|PU leather|viscose|recycled PET", "linen": "linen",
           "rubber": "rubber", "wood": "oak|beech wood|acacia|walnut", "ceramic": "ceramic|stoneware",
           "glass": "glass"},
    "de": {"leather": "Leder|Echtleder|Wildleder|Nappaleder", "cotton": "Baumwolle|Baumwolle|Jersey|Perkal",
           "wool": "Wolle|Merino|Schurwolle|Kaschmirmix", "silk": "Seide|Maulbeerseide",
           "metal": "Edelstahl|Messing|Gusseisen|Kupfer",
           "jewel": "925 Silber|vergoldet|Edelstahl", "plastic": "Kunststoff|Plastik",
           "synthetic": "Polyester|Nylon|Kunstleder|Lederimitat|Viskose", "linen": "Leinen", "rubber": "Gummi",
           "wood": "Eiche|Buche|Akazie", "ceramic": "Keramik|Steinzeug", "glass": "Glas"},
    "fr": {"leather": "cuir|cuir véritable|daim|cuir nappa", "cotton": "coton|coton|jersey|percale",
           "wool": "laine|mérinos|laine vierge", "silk": "soie|satin de soie",
           "metal": "inox|laiton|fonte|cuivre", "jewel": "argent 925|plaqué or|acier",
           "plastic": "plastique|ABS",
           "synthetic": "polyester|nylon|simili cuir|viscose", "linen": "lin", "rubber": "caoutchouc",
           "wood": "chêne|hêtre|acacia", "ceramic": "céramique|grès", "glass": "verre"},
    "es": {"leather": "piel|cuero|ante|napa", "cotton": "algodón|algodón|punto|percal",
           "wool": "lana|merino|lana virgen", "silk": "seda|satén de seda",
           "metal": "acero inoxidable|latón|hierro fundido|cobre",
           "jewel": "plata de ley|chapado en oro|acero", "plastic": "plástico|ABS",
           "synthetic": "poliéster|nailon|polipiel|viscosa", "linen": "lino", "rubber": "caucho",
           "wood": "roble|haya|acacia", "ceramic": "cerámica|gres", "glass": "vidrio"},
}
COLOURS: Final = {
    "en": {"black": "black|black|jet black|ink|midnight", "white": "white|white|ivory|off-white|chalk",
           "blue": "blue|navy|cobalt|denim blue|midnight|teal", "red": "red|burgundy|crimson|rust",
           "grey": "grey|charcoal|slate", "beige": "beige|sand|ecru|ivory", "green": "green|olive|sage|teal",
           "brown": "brown|tan|cognac|rust", "pink": "pink|blush", "gold": "gold|rose gold", "silver": "silver"},
    "de": {"black": "schwarz|schwarz|tiefschwarz", "white": "weiß|weiss|wollweiß|creme",
           "blue": "blau|marine|dunkelblau",
           "red": "rot|bordeaux|weinrot", "grey": "grau|anthrazit", "beige": "beige|sand|creme",
           "green": "grün|oliv|petrol",
           "brown": "braun|cognac", "pink": "rosa|altrosa", "gold": "gold|roségold", "silver": "silber"},
    "fr": {"black": "noir|noir|noir profond", "white": "blanc|ivoire|écru", "blue": "bleu|bleu marine|bleu nuit",
           "red": "rouge|bordeaux|brique", "grey": "gris|anthracite", "beige": "beige|sable|écru", "green": "vert|kaki",
           "brown": "marron|cognac", "pink": "rose|rose poudré", "gold": "doré|or rose", "silver": "argenté"},
    "es": {"black": "negro|negro|negro azabache", "white": "blanco|crudo|marfil", "blue": "azul|azul marino|índigo",
           "red": "rojo|burdeos|teja", "grey": "gris|antracita", "beige": "beige|arena|crudo", "green": "verde|caqui",
           "brown": "marrón|camel", "pink": "rosa|rosa palo", "gold": "dorado", "silver": "plateado"},
}
AUDIENCE: Final = {
    "en": {"women": "women's|women's|ladies'|womens", "men": "men's|men's|mens|gents'",
           "children": "kids|girls|boys|junior"},
    "de": {"women": "Damen", "men": "Herren", "children": "Kinder|Mädchen|Jungen"},
    "fr": {"women": "femme", "men": "homme", "children": "enfant|fille|garçon"},
    "es": {"women": "mujer|señora", "men": "hombre|caballero", "children": "niña|niño|infantil"},
}
FLAGS: Final = {
    "en": {"waterproof": "waterproof|Gore-Tex|10K membrane", "vegan": "vegan|animal-free",
           "organic": "organic cotton|GOTS",
           "second-hand": "pre-owned|used - very good|vintage, worn once",
           "gift-set": "gift set|set of 3 in gift box|boxed set",
           "battery": "batteries included|rechargeable|2x AA incl.",
           "age-restricted": "18+ only|proof of age on delivery",
           "real-fur": "rabbit fur trim|fox fur collar|shearling and coyote fur"},
    "de": {"waterproof": "wasserdicht|10.000er Wassersäule", "vegan": "vegan", "organic": "Bio-Baumwolle|kbA|bio",
           "second-hand": "gebraucht|second hand, sehr gut", "gift-set": "Geschenkset|3er-Set in Geschenkbox",
           "battery": "inkl. Batterien|mit Akku", "age-restricted": "ab 18 Jahren|Altersnachweis nötig",
           "real-fur": "mit Echtpelz|Fuchspelzkragen"},
    "fr": {"waterproof": "imperméable|étanche", "vegan": "vegan", "organic": "coton bio|biologique",
           "second-hand": "occasion|seconde main, très bon état", "gift-set": "coffret cadeau|lot de 3 en coffret",
           "battery": "piles incluses|rechargeable", "age-restricted": "vente interdite aux mineurs",
           "real-fur": "col en renard|fourrure véritable"},
    "es": {"waterproof": "impermeable|resistente al agua 10K", "vegan": "vegano",
           "organic": "algodón orgánico|ecológico",
           "second-hand": "segunda mano|usado, buen estado", "gift-set": "set de regalo|pack regalo de 3",
           "battery": "pilas incluidas|recargable", "age-restricted": "solo mayores de 18",
           "real-fur": "cuello de zorro|pelo natural"},
}
# What the English merchants say from the drift on, half of the time.
LATER: Final = {
    "second-hand": "pre-loved|archive piece|second life", "waterproof": "StormShell|all-weather",
    "organic": "regenerative",
    "vegan": "cruelty-free", "battery": "USB-C charging", "black": "obsidian|onyx", "blue": "lapis|indigo wash",
    "red": "brick|cherry", "white": "bone|alabaster", "leather": "bridle hide|calfskin", "metal": "brushed alloy|inox",
    "jewel": "vermeil|recycled silver",
    "wool": "boiled knit|alpaca", "women": "womenswear", "men": "menswear", "children": "mini",
}
DECOYS: Final = {  # said of many things, telling nothing
    "en": "free delivery|new season|water-repellent care tips inside|faux fur pompom|cotton dust bag|"
          "gift wrap available|no batteries needed|bestseller|leather care kit sold separately|"
          "limited stock|ships in 24h",
    "de": "versandkostenfrei|neue Kollektion|Top-Qualität|mit Kunstfellbesatz|OVP|sofort lieferbar|"
          "Geschenkverpackung möglich",
    "fr": "nouvelle collection|livraison offerte|fausse fourrure|petit prix|édition limitée|housse en coton",
    "es": "envío gratis|nueva temporada|pelo sintético|oferta|últimas unidades|bolsa de algodón",
}
DESCRIPTIONS: Final = {
    "en": "Our {style} {kind} in {colour} {material}.|Made from {material} and finished by hand; colour: {colour}.|"
          "A {kind} you will reach for every day. {material}, {colour}.|{brand} {kind}, {audience}. Wipe clean only.",
    "de": "{kind} aus {material} in {colour}.|Material: {material}. Farbe: {colour}. Zielgruppe: {audience}.|"
          "Schönes Stück von {brand}, {material}, pflegeleicht.",
    "fr": "{kind} en {material}, coloris {colour}.|Composition : {material}. Pour {audience}. Coloris {colour}.",
    "es": "{kind} de {material} en color {colour}.|Composición: {material}. Para {audience}. Color: {colour}.",
}
ABBREVIATIONS: Final = {
    "women's": "wmns", "womens": "wmns", "men's": "mns", "leather": "lthr", "black": "blk", "white": "wht",
    "navy": "nvy",
    "cotton": "ctn", "jacket": "jkt", "stainless": "s/s", "waterproof": "wtrprf", "polyester": "poly",
    "backpack": "bkpk",
    "boots": "bts", "dress": "drs", "shirt": "shrt", "size": "sz", "organic": "org", "pre-owned": "p/o", "lamp": "lmp",
    "burgundy": "bgdy", "necklace": "nklc", "included": "incl",
}
# fmt: on
