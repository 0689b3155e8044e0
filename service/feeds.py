"""Reading feeds and output lists from files: JSON lines or CSV, either gzipped.

JSON lines: one object a line with the fields of a product, plus `labels`, the list of outputs that are yes.
CSV: a header naming the columns `id`, `title` and any of `feed`, `description`, `brand`, `price`, `currency`, `at`,
`labels` (output names separated by `;` or `|`) and `attributes.NAME`; the separator is a comma, semicolon or tab.
Other fields and columns are left aside; an empty cell is an absent value, but empty `labels` mean "yes on none".
"""

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from models.coding import MAX_BYTES
from models.messages import Name, Product

MAX_LINE: Final = 2 * MAX_BYTES  # bytes; room for a largest product with its image in base64
MAX_OUTPUTS_FILE: Final = 16_000_000  # bytes
_LABELS = Annotated[list[Name], Meta(max_length=16_384)] | None
_TEXT_COLUMNS: Final = ("id", "title", "feed", "description", "brand", "currency")
_NUMBER_COLUMNS: Final = ("price", "at")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")  # what undecodable bytes become under `surrogateescape`


class BadFeed(Exception):
    """A file or one line of it that cannot be used; the text says where, what is wrong and what to do.

    `line` is 0 where the file as a whole is meant.
    """

    def __init__(self, path: Path, line: int, what: str) -> None:
        super().__init__(f"{path}, line {line}: {what}" if line else f"{path}: {what}")
        self.path = path
        self.line = line
        self.what = what


class Entry(NamedTuple):
    """One product of a feed and the outputs that are yes for it; labels are None where the feed does not say."""

    product: Product
    labels: frozenset[str] | None


def read_products(path: Path) -> Iterator[Entry]:
    """Yield the entries of a feed in file order, in constant memory; stop at the first bad line.

    Raises:
        BadFeed: the file cannot be read or a line is bad.

    """
    for entry in read_lines(path):
        if isinstance(entry, BadFeed):
            raise entry
        yield entry


def read_lines(path: Path) -> Iterator[Entry | BadFeed]:
    """Yield an entry, or what is wrong with it, for each line (CSV: each row) that is not blank.

    Raises:
        BadFeed: the file as a whole cannot be read: missing, cut short, or a CSV header without `id` and `title`.

    """
    return _read_csv(path) if _is_csv(path) else _read_json_lines(path)


def count_products(path: Path) -> int:
    """Count what `read_lines` would yield, without decoding it. Raises BadFeed if the file cannot be read."""
    if _is_csv(path):
        return sum(1 for _ in _rows(path)) - 1
    return sum(1 for _, line in _lines(path) if line.strip())


def read_outputs(path: Path) -> tuple[str, ...]:
    """Read output names in file order.

    The file holds `{"outputs": [{"name": ...}, ...]}`, a JSON list of such objects or of names, or a name per line.

    Raises:
        BadFeed: unreadable, of another shape, no name at all, an empty name, or a name twice.

    """
    try:
        with _open(path) as file:
            content = file.read(MAX_OUTPUTS_FILE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadFeed(path, 0, _unreadable(error)) from None
    if len(content) > MAX_OUTPUTS_FILE:
        raise BadFeed(path, 0, f"more than {MAX_OUTPUTS_FILE} bytes; is this a list of outputs?")
    try:
        names = msgspec.convert(_names(content.removeprefix(b"\xef\xbb\xbf").strip()), list[Name])
    except (ValueError, RecursionError) as error:
        advice = 'write {"outputs": [{"name": "category:shoes"}, ...]}, or one name per line'
        raise BadFeed(path, 0, f"not a list of outputs: {error}; {advice}") from None
    if not names:
        raise BadFeed(path, 0, "names no output; name at least one")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadFeed(path, 0, f"names an output more than once: {', '.join(twice[:5])}; keep one of each")
    return tuple(names)


def _names(content: bytes) -> list[object]:
    if content[:1] not in (b"{", b"["):
        return [line.strip() for line in content.decode().splitlines() if line.strip()]
    raw: object = msgspec.json.decode(content)
    listed = raw.get("outputs") if isinstance(raw, dict) else raw
    if isinstance(listed, list):
        return [item.get("name") if isinstance(item, dict) else item for item in listed]
    raise ValueError("the list `outputs` is missing")


def _read_json_lines(path: Path) -> Iterator[Entry | BadFeed]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            yield _entry(_object(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line))
        except (ValueError, RecursionError) as error:
            yield BadFeed(path, number, str(error) or "nested too deeply")


def _object(line: bytes) -> dict[str, object]:
    if len(line) > MAX_LINE:
        raise ValueError(f"a line of more than {MAX_LINE} bytes; a product is at most {MAX_BYTES}")
    raw: object = msgspec.json.decode(line)
    if isinstance(raw, dict):
        return {**raw, "id": str(raw["id"])} if isinstance(raw.get("id"), int) else raw
    raise ValueError(f"one JSON object is expected, not {type(raw).__name__}; put each product on its own line")


def _read_csv(path: Path) -> Iterator[Entry | BadFeed]:
    rows = _rows(path)
    _, first = next(rows, (1, ""))
    header = [] if isinstance(first, str) else [cell.strip() for cell in first]
    if not {"id", "title"} <= set(header) or len(set(header)) < len(header):
        raise BadFeed(path, 1, "a CSV header with the columns `id` and `title`, each column once, is expected; add one")
    for number, cells in rows:
        try:
            yield BadFeed(path, number, cells) if isinstance(cells, str) else _entry(_fields(header, cells))
        except ValueError as error:
            yield BadFeed(path, number, str(error))


def _fields(header: list[str], cells: list[str]) -> dict[str, object]:
    if len(cells) != len(header):
        raise ValueError(
            f"{len(cells)} cells where the header names {len(header)}; quote cells that hold the separator"
        )
    row = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
    fields: dict[str, object] = {column: row[column] for column in _TEXT_COLUMNS if row.get(column)}
    fields.setdefault("title", "")
    for column in _NUMBER_COLUMNS:
        if row.get(column):
            try:
                fields[column] = float(row[column])
            except ValueError:
                raise ValueError(f"`{column}` is {row[column][:40]!r}; write a plain number such as 1299.00") from None
    fields["attributes"] = {c[len("attributes.") :]: v for c, v in row.items() if c.startswith("attributes.") and v}
    if "labels" in row:
        fields["labels"] = [name.strip() for name in re.split("[;|]", row["labels"]) if name.strip()]
    return fields


def _entry(raw: dict[str, object]) -> Entry:
    labels = msgspec.convert(raw.pop("labels", None), _LABELS)
    product = msgspec.convert(raw, Product, strict=True, builtin_types=())
    return Entry(product, None if labels is None else frozenset(labels))


def _rows(path: Path) -> Iterator[tuple[int, list[str] | str]]:
    """Rows with the number of their last line; a row that cannot be told apart comes as the text of what is wrong."""
    lines = _lines(path)
    _, first = next(lines, (0, b""))
    separator = max(b",;\t", key=first.count)
    texts = (_text(line) for line in _with_first(first.removeprefix(b"\xef\xbb\xbf"), lines))
    reader = csv.reader(texts, delimiter=chr(separator), strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, f"not CSV: {error}; double the quotes inside a quoted cell"
            continue
        if any(_SURROGATE.search(cell) for cell in cells):
            yield reader.line_num, f"not UTF-8, or a line of more than {MAX_LINE} bytes; save the file as UTF-8"
        elif any(cells):
            yield reader.line_num, cells


def _with_first(first: bytes, rest: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    yield first
    for _, line in rest:
        yield line


def _text(line: bytes) -> str:
    return line.decode(errors="surrogateescape") if len(line) <= MAX_LINE else "\udfff"


def _is_csv(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return False
    if name.endswith((".csv", ".tsv")):
        return True
    return next((line.strip()[:1] != b"{" for _, line in _lines(path) if line.strip()), False)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers from 1; of a line longer than MAX_LINE only the first MAX_LINE + 1 bytes."""
    number = 0
    try:
        with _open(path) as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                yield number, line
                while len(line) > MAX_LINE and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadFeed(path, number, _unreadable(error)) from None


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.GzipFile(path) if zipped else path.open("rb")


def _unreadable(error: Exception) -> str:
    if isinstance(error, (EOFError, zlib.error, gzip.BadGzipFile)):
        return f"the gzip data is cut short or damaged ({error}); fetch the file again"
    what = error.strerror if isinstance(error, OSError) else None
    return f"cannot be read ({what or error}); give the path of a readable file"
