import json
import re
from pathlib import Path

import jsonschema
import msgpack
import pytest

from models.coding import decode, encode
from models.messages import INBOUND, TOPICS
from service.asyncapi import EXAMPLES, document, plain, text

DOCS = Path(__file__).parents[2] / "docs"
TOPIC_NAMES = sorted(TOPICS)


def schema_of(kind):
    made = document()
    return {"$ref": f"#/components/schemas/{kind.__name__}", "components": made["components"]}


def resolve(made, reference):
    found = made
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(value):
    if isinstance(value, dict):
        yield from (v for k, v in value.items() if k == "$ref")
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def documented():
    sections = re.findall(
        r"^## (\w+)\n.*?```json\n(.*?)```", (DOCS / "messages.md").read_text(), re.DOTALL | re.MULTILINE
    )
    return {topic: example.encode() for topic, example in sections}


def test_the_file_is_the_generated_document():
    assert (DOCS / "asyncapi.json").read_text() == text()


def test_every_topic_has_a_channel_an_operation_and_a_message():
    made = document()

    assert set(made["channels"]) == set(made["operations"]) == set(TOPICS)
    assert set(made["components"]["messages"]) == {kind.__name__ for kind in TOPICS.values()}


def test_every_reference_leads_somewhere():
    made = document()

    assert [reference for reference in references(made) if not resolve(made, reference)] == []


def test_what_comes_in_is_received_and_the_rest_sent():
    actions = {topic: operation["action"] for topic, operation in document()["operations"].items()}

    assert {topic for topic, action in actions.items() if action == "receive"} == set(INBOUND)
    assert set(actions.values()) == {"receive", "send"}


@pytest.mark.parametrize("topic", TOPIC_NAMES)
def test_an_encoded_example_validates_against_its_schema(topic):
    raw = msgpack.unpackb(encode(EXAMPLES[topic]))
    as_json = json.loads(json.dumps(plain(EXAMPLES[topic])))

    jsonschema.Draft202012Validator(schema_of(TOPICS[topic])).validate(as_json)
    assert set(raw) == set(as_json)


@pytest.mark.parametrize("topic", TOPIC_NAMES)
def test_a_schema_refuses_a_message_without_a_required_field(topic):
    required = document()["components"]["schemas"][TOPICS[topic].__name__]["required"]
    example = plain(EXAMPLES[topic])
    validator = jsonschema.Draft202012Validator(schema_of(TOPICS[topic]))

    assert [name for name in required if validator.is_valid({k: v for k, v in example.items() if k != name})] == []


@pytest.mark.parametrize("kind", TOPICS.values(), ids=lambda kind: kind.__name__)
def test_a_schema_is_a_schema(kind):
    jsonschema.Draft202012Validator.check_schema(document()["components"]["schemas"][kind.__name__])


def test_the_page_has_one_example_per_topic():
    assert sorted(documented()) == TOPIC_NAMES


@pytest.mark.parametrize("topic", TOPIC_NAMES)
def test_the_example_on_the_page_decodes_to_the_example(topic):
    assert decode(TOPICS[topic], documented()[topic]) == EXAMPLES[topic]
