import gzip
from pathlib import Path

import pytest

from models.messages import Product
from service.feeds import MAX_LINE, BadFeed, Entry, count_products, read_lines, read_outputs, read_products

SHOE = b'{"id": "1", "title": "Shoe", "price": 9.5, "attributes": {"size": "9"}, "labels": ["b", "a"], "time": "2015"}'


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def lines_of(path: Path) -> list[Entry | int]:
    return [item if isinstance(item, Entry) else item.line for item in read_lines(path)]


def wrong(path: Path) -> BadFeed:
    with pytest.raises(BadFeed) as caught:
        list(read_products(path))
    return caught.value


def test_a_json_line_becomes_a_product_and_its_labels(tmp_path):
    path = write(tmp_path / "feed.jsonl", SHOE + b"\n")

    expected = Entry(Product(id="1", title="Shoe", price=9.5, attributes={"size": "9"}), frozenset({"a", "b"}))
    assert list(read_products(path)) == [expected]


def test_a_csv_row_becomes_the_same_entry_as_the_json_line(tmp_path):
    row = b"id,title,price,brand,attributes.size,labels,time\n1,Shoe,9.5,,9,b;a,2015\n"

    expected = list(read_products(write(tmp_path / "feed.jsonl", SHOE)))
    assert list(read_products(write(tmp_path / "feed.csv", row))) == expected


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_may_be_separated_by_comma_semicolon_or_tab(tmp_path, separator):
    path = write(tmp_path / "feed.csv", f"id{separator}title\n1{separator}Shoe\n".encode())

    assert list(read_products(path)) == [Entry(Product(id="1", title="Shoe"), None)]


def test_labels_may_be_separated_by_semicolon_or_bar(tmp_path):
    path = write(tmp_path / "feed.csv", b"id,title,labels\n1,x,a;b\n2,y,c | d\n")

    assert [entry.labels for entry in read_products(path)] == [{"a", "b"}, {"c", "d"}]


def test_absent_labels_are_unknown_and_empty_ones_are_none_of_them(tmp_path):
    lines = write(tmp_path / "feed.jsonl", b'{"id":"1","title":""}\n{"id":"2","title":"","labels":[]}\n')
    rows = write(tmp_path / "feed.csv", b"id,title,labels\n1,x,\n")

    assert [entry.labels for entry in read_products(lines)] == [None, frozenset()]
    assert [entry.labels for entry in read_products(rows)] == [frozenset()]


def test_gzip_is_told_by_its_first_bytes_and_not_by_the_name(tmp_path):
    plain = write(tmp_path / "plain.jsonl.gz", SHOE)
    packed = write(tmp_path / "packed.jsonl", gzip.compress(SHOE))

    assert list(read_products(packed)) == list(read_products(plain))


def test_without_a_telling_name_the_first_byte_decides_between_json_and_csv(tmp_path):
    lines, rows = write(tmp_path / "one", SHOE), write(tmp_path / "two", b"id,title\n1,Shoe\n")

    assert [next(read_products(path)).product.id for path in (lines, rows)] == ["1", "1"]


def test_a_byte_order_mark_and_blank_lines_and_numeric_ids_are_taken(tmp_path):
    lines = write(tmp_path / "feed.jsonl", b'\xef\xbb\xbf{"id": 7, "title": "x"}\n\n  \n{"id": "8", "title": "y"}\n')
    rows = write(tmp_path / "feed.csv", b'\xef\xbb\xbf"id",title\r\n7,x\r\n\r\n8,"y"\r\n')

    assert [entry.product.id for entry in read_products(lines)] == ["7", "8"]
    assert [entry.product.id for entry in read_products(rows)] == ["7", "8"]


def test_a_quoted_cell_may_hold_separators_quotes_and_line_ends(tmp_path):
    path = write(tmp_path / "feed.csv", b'id,title\n1,"6,5"" pipe\nblack"\n2,y\n')

    assert [entry.product.title for entry in read_products(path)] == ['6,5" pipe\nblack', "y"]


BAD_LINES = [
    b"{",
    b"[]",
    b'"text"',
    b'{"title": "no id"}',
    b'{"id": "", "title": "x"}',
    b'{"id": "1"}',
    b'{"id": "1", "title": 5}',
    b'{"id": "1", "title": "x", "price": -1}',
    b'{"id": "1", "title": "x", "price": NaN}',
    b'{"id": "1", "title": "x", "price": 1e999}',
    b'{"id": "1", "title": "x", "at": -5}',
    b'{"id": "1", "title": "x", "labels": "a"}',
    b'{"id": "1", "title": "x", "labels": [""]}',
    b'{"id": "1", "title": "\xff"}',
    b'{"id": "1", "title": "\\ud800"}',
    b'{"id": "1", "title": "' + b"x" * 10_000_000 + b'"}',
    b"[" * 100_000,
    b'{"id": "1", "title": "x", "deep": ' + b"[" * 100_000,
]


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: repr(line[:40]))
def test_a_bad_json_line_is_told_by_its_number_and_the_next_one_is_read(tmp_path, line):
    path = write(tmp_path / "feed.jsonl", SHOE + b"\n" + line + b"\n" + SHOE + b"\n")

    good = next(read_products(write(tmp_path / "good.jsonl", SHOE)))
    assert lines_of(path) == [good, 2, good]


BAD_ROWS = [
    b"1",
    b"1,x,2,4",
    b",x,2",
    b"1,x,cheap",
    b"1,x,nan",
    b"1,x,inf",
    b"1,x,-2",
    b"1,\xff,2",
    b'1,"x"y,2',
    b"1,x\ry,2",
    b"1," + b"x" * 10_000_000 + b",2",
]


@pytest.mark.parametrize("row", BAD_ROWS, ids=lambda row: repr(row[:40]))
def test_a_bad_csv_row_is_told_by_its_number_and_the_next_one_is_read(tmp_path, row):
    path = write(tmp_path / "feed.csv", b"id,title,price\n" + row + b"\n2,y,3\n")

    assert lines_of(path) == [2, Entry(Product(id="2", title="y", price=3.0), None)]


def test_reading_stops_at_the_first_bad_line_and_says_where_and_what(tmp_path):
    path = write(tmp_path / "feed.jsonl", SHOE + b'\n{"id": "1", "title": "x", "price": -1}\n')

    assert str(wrong(path)) == f"{path}, line 2: Expected `float` >= 0.0 - at `$.price`"


@pytest.mark.parametrize("header", [b"", b"sku,name", b"id,title,id", b"\xff\xfei\x00d\x00", b'"id,title'])
def test_a_csv_without_a_usable_header_is_refused_as_a_whole(tmp_path, header):
    error = wrong(write(tmp_path / "feed.csv", header + b"\n1,x\n"))

    assert (error.line, "header" in error.what) == (1, True)


def test_a_missing_file_and_a_directory_are_told_by_path(tmp_path):
    errors = [wrong(tmp_path / "none.jsonl"), wrong(tmp_path)]

    assert [str(error).split(":")[0] for error in errors] == [str(tmp_path / "none.jsonl"), str(tmp_path)]


@pytest.mark.parametrize("damage", [lambda data: data[:-10], lambda data: data[:20] + b"\0" * 20 + data[40:]])
def test_a_damaged_gzip_file_is_told_as_such(tmp_path, damage):
    path = write(tmp_path / "feed.jsonl.gz", damage(gzip.compress(b"".join(SHOE + b"\n" for _ in range(9_999)))))

    assert "gzip data is cut short or damaged" in wrong(path).what


def test_a_line_beyond_the_limit_is_not_held_in_memory_whole(tmp_path):
    path = write(tmp_path / "feed.jsonl", b"x" * (3 * MAX_LINE) + b"\n" + SHOE)

    assert [item if isinstance(item, int) else item.product.id for item in lines_of(path)] == [1, "1"]


def test_products_are_counted_without_blank_lines_and_header(tmp_path):
    lines = write(tmp_path / "feed.jsonl", SHOE + b"\n\n" + SHOE + b"\nbad\n")
    rows = write(tmp_path / "feed.csv", b'id,title\n1,"a\nb"\n\n2,y\n')

    assert [count_products(lines), count_products(rows)] == [3, 2]


@pytest.mark.parametrize(
    "content",
    [
        b'{"dataset": "x", "outputs": [{"name": "a", "prevalence": 0.1}, {"name": "b:c"}]}',
        b'{"outputs": ["a", "b:c"]}',
        b' ["a", "b:c"] ',
        b'[{"name": "a"}, {"name": "b:c"}]',
        b"a\n\n b:c \r\n",
        b"\xef\xbb\xbfa\nb:c",
    ],
)
def test_outputs_are_read_in_file_order_in_every_form(tmp_path, content):
    assert read_outputs(write(tmp_path / "x.outputs.json", content)) == ("a", "b:c")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "names no output"),
        (b"[]", "names no output"),
        (b'["a", "b", "a"]', "more than once: a;"),
        (b'["a", ""]', "not a list of outputs"),
        (b'{"outputs": [{"title": "a"}]}', "not a list of outputs"),
        (b'{"names": ["a"]}', "the list `outputs` is missing"),
        (b"{", "not a list of outputs"),
        (b"[" * 100_000, "not a list of outputs"),
        (b"\xff", "not a list of outputs"),
    ],
)
def test_a_bad_list_of_outputs_says_what_is_wrong(tmp_path, content, what):
    with pytest.raises(BadFeed) as caught:
        read_outputs(write(tmp_path / "x.outputs.json", content))

    assert what in str(caught.value)
