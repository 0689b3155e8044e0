"""Bytes that are no message of ours are refused with a reason, whatever they claim to be."""

import json
import struct

import msgpack
import pytest

from models.coding import MAX_BYTES, decode, encode
from models.messages import TOPICS, Product, Reason
from shared.inbound import BOOT, refused


@pytest.mark.parametrize("kind", TOPICS.values(), ids=lambda kind: kind.__name__)
def test_a_required_field_that_is_missing_is_the_wrong_shape(kind):
    for raw in ({}, {"unheard": 1}):
        assert refused(kind, msgpack.packb(raw)) is Reason.WRONG_SHAPE


@pytest.mark.parametrize(
    "value", [b"", b"\xc1", b"\xff\xfe{", b"{", b"{'id'}", b'{"id":"\xff","title":"x"}', b"garbage"]
)
def test_what_is_no_messagepack_and_no_json_is_undecodable(value):
    assert refused(Product, value) is Reason.UNDECODABLE


@pytest.mark.parametrize("value", [b"[]", b'"text"', b"\x01", b"\xc0", b"\x90"])
def test_what_is_no_map_is_the_wrong_shape(value):
    assert refused(Product, value) is Reason.WRONG_SHAPE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 5),
        ("id", None),
        ("title", None),
        ("title", ["a"]),
        ("title", b"bytes"),
        ("price", "12"),
        ("price", True),
        ("attributes", {"a": 1}),
        ("attributes", [["a", "b"]]),
        ("image", "text"),
        ("at", "2026-01-01"),
    ],
)
def test_a_field_of_another_type_is_the_wrong_shape(field, value):
    assert refused(Product, msgpack.packb(BOOT | {field: value})) is Reason.WRONG_SHAPE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", "x" * 513),
        ("price", float("nan")),
        ("price", float("inf")),
        ("price", float("-inf")),
        ("price", -0.01),
        ("at", 0.0),
        ("at", -1e300),
        ("at", 1e12),
        ("at", float("nan")),
        ("currency", "€" * 17),
        ("title", "x" * 65_537),
        ("attributes", {str(number): "" for number in range(257)}),
    ],
)
def test_a_value_beyond_its_bounds_is_out_of_range(field, value):
    assert refused(Product, msgpack.packb(BOOT | {field: value})) is Reason.OUT_OF_RANGE


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-Infinity"])
def test_json_has_no_word_for_no_number(price):
    assert refused(Product, f'{{"id":"a","title":"b","price":{price}}}'.encode()) is Reason.UNDECODABLE


@pytest.mark.parametrize("price", ["1e999", "-1", "1" + "0" * 400])
def test_a_number_too_large_for_the_field_is_refused(price):
    refused(Product, f'{{"id":"a","title":"b","price":{price}}}'.encode())


@pytest.mark.parametrize("form", [msgpack.packb, lambda value: json.dumps(value).encode()], ids=["msgpack", "json"])
def test_a_title_of_ten_megabytes_is_too_large_whatever_the_form(form):
    assert refused(Product, form(BOOT | {"title": "x" * 10_000_000})) is Reason.TOO_LARGE


def test_a_record_is_taken_up_to_the_limit_to_the_byte():
    value = encode(Product(id="a", title="b", image=bytes(MAX_BYTES - 100)))

    assert decode(Product, value, limit=len(value)).id == "a"
    assert refused(Product, value, limit=len(value) - 1) is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 400_000,
        b'{"a":' * 150_000,
        b'{"id":"a","title":"b","z":' + b"[" * 300_000 + b"]" * 300_000 + b"}",
        b"\x91" * 900_000,
        b"\x81\xa1a" * 300_000,
    ],
    ids=["json lists", "json maps", "json unknown field", "msgpack lists", "msgpack maps"],
)
def test_deep_nesting_is_undecodable(value):
    assert refused(Product, value) is Reason.UNDECODABLE


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "value",
    [
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        (b"\xdd" + struct.pack(">I", 900_000)) * 1_000 + b"\x00" * 990_000,
        (b"\xdf" + struct.pack(">I", 400_000) + b"\xa1a") * 1_000 + b"\x00" * 990_000,
    ],
    ids=["map", "array", "text", "bytes", "extension", "arrays in arrays", "maps in maps"],
)
def test_a_short_record_cannot_claim_to_be_long(value):
    assert refused(Product, value, limit=2_000_000) is Reason.UNDECODABLE


@pytest.mark.parametrize("key", [1, None, True, 1.5, b"id"])
def test_a_key_that_is_no_text_is_refused(key):
    assert refused(Product, msgpack.packb(BOOT | {key: "x"})) in {Reason.UNDECODABLE, Reason.WRONG_SHAPE}


def test_something_after_the_message_is_undecodable():
    assert refused(Product, msgpack.packb(BOOT) + b"\x00") is Reason.UNDECODABLE
    assert refused(Product, json.dumps(BOOT).encode() + b"{}") is Reason.UNDECODABLE


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\ud83d\\u0041"'])
def test_half_a_character_is_undecodable(text):
    assert refused(Product, f'{{"id":"a","title":{text}}}'.encode()) is Reason.UNDECODABLE


@pytest.mark.parametrize("extension", [msgpack.ExtType(3, b"x"), msgpack.Timestamp(1_790_000_000, 0)])
def test_an_extension_type_is_out_of_the_way_where_it_is_unknown_and_wrong_where_it_is_not(extension):
    assert decode(Product, msgpack.packb(BOOT | {"x": extension})) == Product(**BOOT)
    assert refused(Product, msgpack.packb(BOOT | {"at": extension})) is Reason.WRONG_SHAPE
