import json
import struct

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from models.coding import MAX_BYTES, PAYLOAD_KEPT, Malformed, decode, encode, is_json, read, reject
from models.messages import INBOUND, TOPICS, Label, Message, Product, Reason, Rejection
from models.records import Record

BOOT = {"id": "sku-1", "title": "Boot"}
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def floats(kind):
    return st.floats(
        kind.gt if kind.ge is None else kind.ge,
        kind.lt if kind.le is None else kind.le,
        exclude_min=kind.gt is not None,
        exclude_max=kind.lt is not None,
        allow_nan=False,
        allow_infinity=False,
    )


STRATEGIES = {
    inspect.Metadata: lambda kind: strategy(kind.type),
    inspect.StructType: lambda kind: messages(kind.cls),
    inspect.UnionType: lambda kind: st.one_of([strategy(inner) for inner in kind.types]),
    inspect.StrType: lambda kind: st.text(min_size=kind.min_length or 0, max_size=min(kind.max_length or 80, 80)),
    inspect.FloatType: floats,
    inspect.IntType: lambda kind: st.integers(kind.ge, 2**63 - 1 if kind.le is None else kind.le),
    inspect.BytesType: lambda _: st.binary(max_size=20),
    inspect.BoolType: lambda _: st.booleans(),
    inspect.NoneType: lambda _: st.none(),
    inspect.EnumType: lambda kind: st.sampled_from(list(kind.cls)),
    inspect.ListType: lambda kind: st.lists(strategy(kind.item_type), max_size=3),
    inspect.DictType: lambda kind: st.dictionaries(strategy(kind.key_type), strategy(kind.value_type), max_size=3),
}


def strategy(kind):
    """Values of one field, by its declared type and bounds."""
    return STRATEGIES[type(kind)](kind)


def messages(kind):
    fields = inspect.type_info(kind).fields
    required = {field.name: strategy(field.type) for field in fields if field.required}
    optional = {field.name: strategy(field.type) for field in fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: kind(**values))


ANY = st.one_of([messages(kind) for kind in TOPICS.values()])


def taken(kind, value, content_type=""):
    """The message, or the reason why it is none; anything else that happens is a failure."""
    try:
        return decode(kind, value, content_type=content_type)
    except Malformed as error:
        return error.reason


def refused(kind, value, **options):
    with pytest.raises(Malformed) as caught:
        decode(kind, value, **options)
    assert str(caught.value)
    return caught.value.reason


@given(ANY)
def test_every_message_survives_the_way_through_messagepack(message):
    assert decode(type(message), encode(message)) == message


@given(ANY)
def test_a_message_is_the_map_of_its_fields(message):
    assert encode(message) == msgpack.packb(msgspec.to_builtins(message, builtin_types=(bytes,)))


@given(st.one_of([messages(TOPICS[topic]) for topic in INBOUND]))
def test_what_comes_in_survives_the_way_through_json(message):
    assert decode(type(message), msgspec.json.encode(message)) == message


@given(
    st.sampled_from(list(TOPICS.values())),
    st.binary(max_size=200),
    st.sampled_from(["", "application/json", "msgpack"]),
)
def test_any_bytes_are_a_message_or_malformed(kind, value, content_type):
    assert isinstance(taken(kind, value, content_type), kind | Reason)


@given(ANY, st.data())
def test_a_damaged_message_is_a_message_or_malformed(message, data):
    whole = encode(message)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 8)))
    damaged = whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:]

    assert isinstance(taken(type(message), damaged), type(message) | Reason)


@given(ANY, st.data())
def test_a_message_with_another_value_in_a_field_is_a_message_or_malformed(message, data):
    raw = msgpack.unpackb(encode(message))
    raw[data.draw(st.sampled_from(sorted(raw)))] = data.draw(PLAIN)
    result = taken(type(message), msgpack.packb(raw))

    assert isinstance(result, type(message)) or result in {Reason.WRONG_SHAPE, Reason.OUT_OF_RANGE}


@given(ANY, st.data())
def test_a_message_cut_short_is_undecodable(message, data):
    whole = encode(message)

    assert refused(type(message), whole[: data.draw(st.integers(0, len(whole) - 1))]) is Reason.UNDECODABLE


@given(messages(Product), st.dictionaries(st.text(max_size=5).map("x-{}".format), PLAIN, max_size=3))
def test_unknown_fields_are_out_of_the_way(product, unknown):
    raw = msgpack.unpackb(encode(product)) | unknown

    assert decode(Product, msgpack.packb(raw)) == product


def test_of_a_field_said_twice_the_last_counts():
    twice = b"\x83" + msgpack.packb(BOOT)[1:] + msgpack.packb("title") + msgpack.packb("Shoe")

    assert decode(Product, twice).title == "Shoe"


@given(st.binary(max_size=300).filter(lambda value: not isinstance(taken(Product, value), Product)))
def test_whatever_was_refused_can_be_reported(value):
    record = Record("products", 0, 7, b"key", value, 1_790_000_000.0)
    with pytest.raises(Malformed) as caught:
        read(Product, record)
    rejection = reject(record, caught.value)

    assert decode(Rejection, encode(rejection)) == rejection
    assert (rejection.offset, rejection.payload) == (7, value)


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


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "text/json"])
def test_a_header_that_says_json_decides(content_type):
    assert decode(Product, json.dumps(BOOT).encode(), content_type=content_type) == Product(**BOOT)
    assert refused(Product, msgpack.packb(BOOT), content_type=content_type) is Reason.UNDECODABLE


@pytest.mark.parametrize("content_type", ["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"])
def test_a_header_that_says_messagepack_decides(content_type):
    assert decode(Product, msgpack.packb(BOOT), content_type=content_type) == Product(**BOOT)
    assert refused(Product, json.dumps(BOOT).encode(), content_type=content_type) is Reason.UNDECODABLE


@pytest.mark.parametrize("content_type", ["", "application/octet-stream"])
@pytest.mark.parametrize("before", [b"", b" \n\t", b"\xef\xbb\xbf"])
def test_without_a_telling_header_the_first_byte_decides(content_type, before):
    assert decode(Product, before + json.dumps(BOOT).encode(), content_type=content_type) == Product(**BOOT)
    assert decode(Product, msgpack.packb(BOOT), content_type=content_type) == Product(**BOOT)


@given(ANY)
def test_no_message_of_ours_looks_like_json(message):
    assert not is_json(encode(message))


def test_whole_numbers_are_taken_where_any_number_is():
    assert decode(Product, msgpack.packb(BOOT | {"price": 7})).price == 7.0


def test_json_carries_bytes_in_base64():
    assert decode(Product, b'{"id":"a","title":"b","image":"iVBORw=="}').image == b"\x89PNG"
    assert refused(Product, b'{"id":"a","title":"b","image":"***"}') is Reason.WRONG_SHAPE


def test_yes_no_and_unsure_are_answers_and_nothing_else_is():
    label = {"query": "q", "annotator": "kim", "answers": {"a": True, "b": False, "c": None}}

    assert decode(Label, msgpack.packb(label)).answers == {"a": True, "b": False, "c": None}
    for answer in (1, 0, "yes", 0.5, []):
        assert refused(Label, msgpack.packb(label | {"answers": {"a": answer}})) is Reason.WRONG_SHAPE


def test_a_weight_in_a_label_is_an_unknown_field():
    label = {"query": "q", "annotator": "kim", "answers": {"a": True}}

    assert decode(Label, msgpack.packb(label | {"weight": 1e9, "chance": 0.001})) == Label(**label)


def test_a_record_without_a_value_is_the_wrong_shape():
    with pytest.raises(Malformed) as caught:
        read(Product, Record("products", 0, 0, b"k", None, 1_790_000_000.0))

    assert caught.value.reason is Reason.WRONG_SHAPE


def test_a_rejection_keeps_the_head_of_what_was_refused():
    record = Record("products", 2, 9, b"k", b"x" * 10_000, 1_790_000_000.0)

    assert reject(record, Malformed(Reason.UNDECODABLE, "d" * 5_000)) == Rejection(
        topic="products",
        partition=2,
        offset=9,
        reason=Reason.UNDECODABLE,
        detail="d" * 1_000,
        payload=b"x" * PAYLOAD_KEPT,
    )


@pytest.mark.parametrize("kind", TOPICS.values(), ids=lambda kind: kind.__name__)
def test_a_message_cannot_be_changed(kind):
    assert issubclass(kind, Message)
    assert kind.__struct_config__.frozen
