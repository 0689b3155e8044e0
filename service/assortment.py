"""What the generated catalogue sells: kinds of things and what they are made of, as tables without any logic.

Weights and chances are written as `name:number name:number`; wordings are separated by bars.
"""

from typing import Final, NamedTuple


class Kind(NamedTuple):
    """One kind of thing; the category "" is sold too but is no output."""

    category: str
    often: float
    price: float  # typical, in euros
    sizes: str
    materials: str
    audience: str  # "" if it is for nobody in particular
    flags: str  # the chance of each
    en: str
    de: str
    fr: str
    es: str


# fmt: off
KINDS: Final = (
    Kind("shoes", 3, 95, "shoe", "leather:7 synthetic:3", "women:5 men:4",
         "vegan:.15 waterproof:.08 second-hand:.02 real-fur:.01",
         "ankle boots|Chelsea boots|lace-up boots", "Stiefeletten|Chelsea Boots|Schnürstiefel",
         "bottines|boots Chelsea", "botines|botas Chelsea"),
    Kind("shoes", 4, 70, "shoe", "synthetic:6 leather:3 cotton:1", "women:5 men:4 children:2",
         "vegan:.1 second-hand:.02",
         "trainers|running shoes|low-top sneakers", "Sneaker|Laufschuhe|Turnschuhe",
         "baskets|tennis", "zapatillas|deportivas"),
    Kind("shoes", 2, 45, "shoe", "leather:5 synthetic:5", "women:6 men:2 children:2", "vegan:.15",
         "sandals|slides|espadrilles", "Sandalen|Pantoletten",
         "sandales|mules", "sandalias|chanclas"),
    Kind("shoes", 1, 38, "shoe", "rubber:8 synthetic:2", "women:5 men:4 children:2", "waterproof:.7",
         "wellington boots|wellies|rain boots", "Gummistiefel|Regenstiefel",
         "bottes de pluie", "botas de agua"),
    Kind("dresses", 4, 60, "dress", "cotton:4 synthetic:5 silk:.6 linen:1", "women:9 children:1",
         "organic:.05 second-hand:.02",
         "wrap dress|maxi dress|shirt dress|midi dress", "Wickelkleid|Maxikleid|Blusenkleid",
         "robe portefeuille|robe longue|robe chemise", "vestido cruzado|vestido largo"),
    Kind("jackets", 2, 160, "dress", "leather:7 synthetic:3", "women:4 men:5", "vegan:.2 second-hand:.05",
         "biker jacket|bomber jacket|flight jacket", "Bikerjacke|Bomberjacke|Lederjacke",
         "blouson motard|perfecto|bomber", "cazadora biker|cazadora bomber"),
    Kind("jackets", 2, 120, "dress", "synthetic:8 cotton:2", "women:5 men:4 children:2", "waterproof:.35 real-fur:.08",
         "parka|winter jacket|puffer jacket", "Parka|Winterjacke|Steppjacke",
         "parka|doudoune", "parka|anorak|plumífero"),
    Kind("jackets", 2, 140, "dress", "wool:9 synthetic:1", "women:5 men:4", "real-fur:.07 second-hand:.03",
         "overcoat|pea coat|duffle coat", "Mantel|Kurzmantel|Dufflecoat",
         "manteau|caban|duffle-coat", "abrigo|abrigo corto"),
    Kind("jackets", 2, 65, "dress", "synthetic:10", "women:5 men:4 children:2", "waterproof:.6",
         "rain jacket|shell jacket|cagoule", "Regenjacke|Hardshelljacke",
         "imperméable|veste de pluie", "chubasquero|impermeable"),
    Kind("shirts", 5, 32, "dress", "cotton:8 linen:1 synthetic:1", "men:6 women:3 children:2", "organic:.12",
         "Oxford shirt|T-shirt|polo shirt|long-sleeve tee", "Hemd|T-Shirt|Poloshirt|Langarmshirt",
         "chemise|t-shirt|polo", "camisa|camiseta|polo"),
    Kind("shirts", 1, 48, "dress", "silk:1.2 cotton:4 synthetic:5", "women:10", "",
         "blouse|tie-neck blouse", "Bluse|Schluppenbluse",
         "chemisier|blouse", "blusa"),
    Kind("bags", 4, 85, "", "leather:6 synthetic:3 cotton:2", "women:6 men:2", "vegan:.2 second-hand:.04",
         "tote bag|crossbody bag|shoulder bag|clutch", "Handtasche|Umhängetasche|Shopper",
         "sac cabas|sac bandoulière|pochette", "bolso tote|bandolera|bolso de mano"),
    Kind("bags", 3, 60, "litre", "synthetic:7 leather:2 cotton:2", "women:5 men:4 children:2", "waterproof:.15",
         "backpack|rucksack|daypack", "Rucksack|Tagesrucksack",
         "sac à dos", "mochila"),
    Kind("bags", 1, 40, "", "leather:8 synthetic:2", "men:6 women:4", "gift-set:.06",
         "wallet|card holder|bifold wallet", "Geldbörse|Kartenetui",
         "portefeuille|porte-cartes", "cartera|tarjetero"),
    Kind("jewellery", 5, 55, "", "metal:10", "women:8 men:2", "gift-set:.05 second-hand:.01",
         "pendant necklace|hoop earrings|bangle|signet ring|charm bracelet|studs",
         "Halskette|Ohrringe|Armreif|Siegelring",
         "collier|boucles d'oreilles|bracelet jonc", "collar|pendientes|pulsera|anillo"),
    Kind("cookware", 5, 48, "cm", "metal:8 ceramic:2", "", "gift-set:.02",
         "frying pan|sauté pan|casserole|stockpot|wok", "Bratpfanne|Schmortopf|Kochtopf|Wok",
         "poêle|cocotte|faitout", "sartén|cacerola|olla"),
    Kind("cookware", 1.2, 25, "cm", "wood:9 plastic:1", "", "",
         "chopping board|serving board|salad servers", "Schneidebrett|Salatbesteck",
         "planche à découper|couverts à salade", "tabla de cortar"),
    Kind("cookware", 0.45, 60, "cm", "metal:10", "", "age-restricted:.92 gift-set:.06",
         "chef's knife|santoku|carving knife|cleaver", "Kochmesser|Santokumesser|Tranchiermesser",
         "couteau de chef|santoku", "cuchillo de chef|cuchillo santoku"),
    Kind("bedding", 5, 55, "bed", "cotton:7 linen:2 silk:.3 synthetic:2", "", "organic:.15",
         "duvet cover|fitted sheet|bed linen set|quilt cover", "Bettwäsche|Spannbettlaken|Bettbezug",
         "housse de couette|drap-housse|parure de lit", "funda nórdica|sábana bajera"),
    Kind("bedding", 2, 35, "bed", "wool:5 cotton:4 synthetic:3", "", "organic:.03",
         "throw|blanket|plaid", "Wohndecke|Plaid|Tagesdecke",
         "plaid|couverture", "manta|plaid"),
    Kind("lighting", 4, 75, "cm", "metal:5 ceramic:3 wood:2 glass:2", "", "battery:.06",
         "table lamp|floor lamp|pendant light|desk lamp", "Tischleuchte|Stehlampe|Pendelleuchte",
         "lampe de table|lampadaire|suspension", "lámpara de mesa|lámpara de pie|colgante"),
    Kind("lighting", 1.5, 18, "", "plastic:6 metal:3 glass:2", "", "battery:.65",
         "fairy lights|string lights|LED candles|night light", "Lichterkette|LED-Kerzen|Nachtlicht",
         "guirlande lumineuse|veilleuse|bougies LED", "guirnalda de luces|velas LED"),
    Kind("toys", 3, 28, "", "wood:5 plastic:5", "children:10", "gift-set:.04",
         "building blocks|shape sorter|jigsaw puzzle|marble run", "Bauklötze|Puzzle|Kugelbahn",
         "cubes|puzzle|circuit à billes", "bloques|puzle|encajable"),
    Kind("toys", 2, 22, "", "cotton:4 synthetic:6", "children:10", "organic:.08",
         "plush bear|rag doll|cuddly rabbit|hand puppet", "Teddybär|Stoffpuppe|Kuschelhase",
         "ours en peluche|poupée|doudou", "osito de peluche|muñeca"),
    Kind("toys", 2, 39, "", "plastic:9 metal:1", "children:10", "battery:.85",
         "remote-control car|talking robot|toy keyboard|model train", "ferngesteuertes Auto|Roboter|Eisenbahn",
         "voiture télécommandée|robot|train électrique", "coche teledirigido|robot|tren eléctrico"),
    Kind("", 3, 24, "", "wool:5 cotton:3 silk:1 synthetic:3", "women:5 men:4", "gift-set:.03",
         "scarf|beanie|gloves|bobble hat", "Schal|Mütze|Handschuhe",
         "écharpe|bonnet|gants", "bufanda|gorro|guantes"),
    Kind("", 3, 70, "dress", "wool:5 cotton:4 synthetic:2", "women:5 men:5", "organic:.04 second-hand:.02",
         "crew-neck jumper|cardigan|roll-neck sweater", "Pullover|Strickjacke|Rollkragenpullover",
         "pull|gilet|pull col roulé", "jersey|cárdigan"),
    Kind("", 3, 16, "", "plastic:6 ceramic:3 glass:3", "", "gift-set:.04",
         "phone case|mug|scented candle|picture frame|water bottle", "Handyhülle|Becher|Duftkerze|Bilderrahmen",
         "coque|tasse|bougie parfumée|cadre photo", "funda de móvil|taza|vela aromática"),
    Kind("", 0.12, 30, "", "metal:7 wood:3", "", "age-restricted:.85",
         "pocket knife|folding knife|multitool", "Taschenmesser|Klappmesser",
         "couteau pliant|canif", "navaja"),
)
# fmt: on

SIZES: Final = {
    "shoe": "36|37|38|39|40|41|42|43|44",
    "dress": "XS|S|M|L|XL|34|36|38|40|42",
    "litre": "12 L|18 L|22 L|30 L",
    "cm": "20 cm|24 cm|28 cm|32 cm|45 cm",
    "bed": "90x200|140x200|200x200|150x210",
}

FASHION_BRANDS: Final = "Aldergate|Mirelle|Kostrup|Northvane|Lupo & Figli|Tamsin Rey|Oakrise|Vantelle|Brixley|Saola"
HOME_BRANDS: Final = "Hjemme|Copperleaf|Lumora|Kettlewell|Dormia|Pinecrest|Fornello|Atelier Nord"
TOY_BRANDS: Final = "Tumbletoes|Blockario|Little Wren|Zappo Kids|Holzwurm"
STYLES: Final = "Ada|Luca|Iris|Bruno|Maren|Theo|Noor|Freya|Otis|Juno|Remy|Vera|Kai|Elin"
COLOURS: Final = "black:5 white:3.5 blue:4 red:1.8 grey:2 beige:2 green:1.5 brown:2 pink:1"
JEWEL_COLOURS: Final = "gold:5 silver:5 black:.5 white:.3 blue:.4 red:.3"
NEEDS: Final = {"vegan": "synthetic", "organic": "cotton"}  # flags only this material may have
