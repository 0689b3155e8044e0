"""The AsyncAPI document of all topics, made from their types: `python -m service.asyncapi > docs/asyncapi.json`."""

import json
import struct
import sys
from typing import Any, Final

import msgspec

from models.messages import (
    INBOUND,
    TOPICS,
    Because,
    Label,
    Message,
    OutputTally,
    Prediction,
    Product,
    Query,
    Reason,
    Rejection,
    SnapshotPart,
    Tally,
)

FORMAT: Final = "1.0.0"  # of the messages; grows when a reader or writer of them has to know
CONTENT_TYPE: Final = "application/msgpack"

KEYS: Final = {
    "products": "the product's id",
    "predictions": "the product's id",
    "queries": "the query's id; a null value withdraws the query",
    "labels": "the query's id",
    "rejections": "the key of the record that was turned away",
    "tallies": "the source's topic and partition",
    "snapshots": "the part's place, a number in digits; a null value says that nothing is there any more",
}

_SHOE: Final = Product(
    id="sku-4711",
    title="Waxed desert boot, sand",
    feed="northwind",
    description="Suede upper, crepe sole",
    brand="Northwind",
    price=89.9,
    currency="EUR",
    attributes={"colour": "sand", "size": "42"},
    at=1_790_000_000.0,
)
_SCORES: Final = struct.pack("<2f", 0.75, 0.125)
_TALLIED: Final = {
    "category:footwear": OutputTally(positive=1, mass_positive=0.75, mass_negative=0.25),
    "season:summer": OutputTally(positive=0, mass_positive=0.0, mass_negative=0.375),
}

EXAMPLES: Final[dict[str, Message]] = {
    "products": _SHOE,
    "predictions": Prediction(
        product="sku-4711",
        arrival="products/2/1041",
        model=17,
        policy="iwal",
        scores=_SCORES,
        positive={"category:footwear": 0.75},
        chance=0.25,
        draw=0.125,
        asked=True,
        at=1_790_000_000.5,
    ),
    "queries": Query(
        id="6f1c0b9e2d7a4853",
        arrival="products/2/1041",
        product=_SHOE,
        ask=["category:footwear", "season:summer"],
        chance=0.25,
        scores=_SCORES,
        positive=["category:footwear"],
        model=17,
        policy="iwal",
        because=Because(
            disagreement={"category:footwear": 0.5, "season:summer": 0.125},
            combined=0.5,
            floor=0.0625,
            scale=0.4,
            share=0.1,
            threshold={"category:footwear": 0.5, "season:summer": 0.25},
        ),
        priority=0.5,
        asked_at=1_790_000_000.5,
        expires_at=1_790_604_800.5,
    ),
    "labels": Label(
        query="6f1c0b9e2d7a4853",
        annotator="kim",
        answers={"category:footwear": True, "season:summer": None},
        at=1_790_000_060.0,
    ),
    "rejections": Rejection(
        topic="products",
        partition=2,
        offset=1_042,
        reason=Reason.OUT_OF_RANGE,
        detail="Expected `float` >= 0.0 - at `$.price`",
        payload=b'{"id":"sku-4712","title":"Boot","price":-1}',
    ),
    "tallies": Tally(
        topic="products",
        partition=2,
        first=1_041,
        last=1_042,
        model=17,
        policy="iwal",
        n=2,
        asked=1,
        chance=0.375,
        scale=0.4,
        outputs=_TALLIED,
        at=1_790_000_000.5,
    ),
    "snapshots": SnapshotPart(
        learner="6f1c0b9e2d7a4853",
        number=3,
        version=17,
        part=0,
        parts=1,
        base="0e" * 32,
        digest="0f" * 32,
        part_digest="0f" * 32,
        data=b"\x00\x01\x02\x03",
    ),
}


def _channel(topic: str, kind: type[Message]) -> dict[str, Any]:
    return {
        "address": f"{{prefix}}{topic}",
        "title": topic,
        "parameters": {"prefix": {"$ref": "#/components/parameters/prefix"}},
        "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"}},
    }


def _operation(topic: str, kind: type[Message]) -> dict[str, Any]:
    return {
        "action": "receive" if topic in INBOUND else "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{kind.__name__}"}],
    }


def _message(topic: str, kind: type[Message]) -> dict[str, Any]:
    json_too = "; JSON is taken too, told by the content-type header or the first byte" if topic in INBOUND else ""
    return {
        "name": kind.__name__,
        "title": kind.__name__,
        "summary": (kind.__doc__ or "").splitlines()[0],
        "description": f"A MessagePack map with string keys{json_too}. Bytes are bin in MessagePack, Base64 in JSON.",
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "properties": {"content-type": {"type": "string", "examples": [CONTENT_TYPE, "application/json"]}},
        },
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": KEYS[topic]}, "bindingVersion": "0.5.0"}},
        "examples": [{"name": topic, "payload": plain(EXAMPLES[topic])}],
    }


def plain(message: Message) -> Any:
    """Return the message as the values of its JSON form."""
    return msgspec.to_builtins(message)


def document() -> dict[str, Any]:
    """Make the AsyncAPI 3.0 document: one channel, one operation and one message per topic."""
    _, schemas = msgspec.json.schema_components(TOPICS.values(), ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Askance",
            "version": FORMAT,
            "description": "Asks when in doubt: products and labels in, predictions and queries out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {topic: _channel(topic, kind) for topic, kind in TOPICS.items()},
        "operations": {topic: _operation(topic, kind) for topic, kind in TOPICS.items()},
        "components": {
            "parameters": {"prefix": {"description": "the configured prefix of all topics", "default": ""}},
            "messages": {kind.__name__: _message(topic, kind) for topic, kind in TOPICS.items()},
            "schemas": schemas,
        },
    }


def text() -> str:
    """Return the document as it stands in docs/asyncapi.json."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
