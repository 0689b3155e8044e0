"""What is sent comes back the same, in MessagePack and JSON, and whatever else comes is told apart."""

import json

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from models.coding import PAYLOAD_KEPT, Malformed, decode, encode, is_json, read, reject
from models.messages import INBOUND, TOPICS, Label, Message, Product, Reason, Rejection
from models.records import Record
from shared.inbound import BOOT, refused, taken

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
