"""Whatever a feed's file holds."""

import contextlib
import csv
import gzip
import io
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from models.coding import encode
from models.messages import Product
from service.feeds import BadFeed, Entry, count_products, read_lines, read_outputs, read_products

SHOE = b'{"id": "1", "title": "Shoe", "labels": ["b"]}'


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


fragments = st.sampled_from(
    [
        b"{",
        b"}",
        b'"',
        b"id",
        b"title",
        b":",
        b",",
        b";",
        b"[",
        b"]",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"1",
        b"null",
        b"\\ud8",
    ]
)
junk = st.one_of(st.binary(max_size=200), st.lists(fragments, max_size=60).map(b"".join))
names = st.sampled_from(["feed", "feed.csv", "feed.jsonl"])


@given(
    name=names,
    head=st.sampled_from([b"", SHOE + b"\n", b"id,title,price,labels\n"]),
    body=junk,
    zipped=st.booleans(),
)
def test_whatever_a_file_holds_only_entries_and_bad_feed_come_out(tmp_path_factory, name, head, body, zipped):
    content = head + body
    path = write(
        tmp_path_factory.mktemp("fuzz") / name,
        gzip.compress(content)[: None if len(body) % 2 else -3] if zipped else content,
    )
    with contextlib.suppress(BadFeed):
        count_products(path)
    with contextlib.suppress(BadFeed):
        read_outputs(path)
    with contextlib.suppress(BadFeed):
        for item in read_lines(path):
            assert isinstance(item, BadFeed) or encode(item.product)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
cells = texts.map(str.strip).filter(bool)
entries = st.builds(
    Entry,
    st.builds(
        Product,
        id=cells,
        title=cells,
        brand=st.none() | cells,
        price=st.none() | st.floats(0, 1e15),
        attributes=st.dictionaries(st.sampled_from(["size", "colour"]), cells),
    ),
    st.frozensets(st.sampled_from(["a", "b", "c:d"])),
)


@given(listed=st.lists(entries, max_size=5))
def test_what_is_written_as_json_lines_or_csv_is_read_back(tmp_path_factory, listed):
    folder = tmp_path_factory.mktemp("round")
    lines = "".join(
        json.dumps(
            {
                k: v
                for k in ("id", "title", "brand", "price", "attributes")
                if (v := getattr(entry.product, k)) is not None
            }
            | {"labels": sorted(entry.labels)}
        )
        + "\n"
        for entry in listed
    )
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["id", "title", "brand", "price", "attributes.size", "attributes.colour", "labels"])
    for product, labels in listed:
        extra = [product.attributes.get("size"), product.attributes.get("colour"), ";".join(labels)]
        writer.writerow([product.id, product.title, product.brand, product.price, *extra])

    assert list(read_products(write(folder / "feed.jsonl", lines.encode()))) == listed
    assert list(read_products(write(folder / "feed.csv", table.getvalue().encode()))) == listed
