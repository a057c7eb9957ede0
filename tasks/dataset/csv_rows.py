"""The rows of a CSV file as lines of JSON, as programs and spreadsheets save them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO, Final

from tasks.dataset.cells import COLUMNS, json_of

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CELLS: Final = 100  # of a row; what no column names is told, and need not be told a million times
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_SAVE: Final = "save it as CSV in UTF-8, with commas, semicolons or tabs between the cells"


class CSVError(ValueError):
    """A file that can't be told into rows; the text says where, why and what helps."""


def rows(source: BinaryIO, *, line_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Each row that is not empty as JSON, with the number of the line that it begins with. No line
    and no cell may be longer than `line_bytes`.

    Raises `CSVError` if the first row does not name the columns, each once, or where a quote stays
    open.
    """
    csv.field_size_limit(line_bytes)
    lines = _lines(source, line_bytes)
    head = next(lines, "")
    delimiter = max(",;\t", key=head.count)
    row = _Row(_with(head, lines), line_bytes)
    reader = csv.reader(row, delimiter=delimiter, strict=True)
    number = 1
    try:
        columns = _columns(next(reader, []))
        number, row.size = reader.line_num + 1, 0
        for cells in reader:
            while len(cells) > len(columns) and not cells[-1]:
                cells.pop()  # spreadsheets write as many for each row as for the longest
            if any(cells):
                yield number, json_of(columns, cells[:_CELLS])
            number = reader.line_num + 1
            row.size = 0
    except csv.Error as error:
        raise CSVError(f"the row that begins on line {number:,}: {_cause(error)}") from error


class _Row:
    """The lines, as long as those of one row are not longer than a line may be."""

    def __init__(self, lines: Iterator[str], limit: int) -> None:
        self._lines, self._limit = lines, limit
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.size += len(line)
            if self.size > self._limit:
                raise csv.Error(f"it is longer than {self._limit:,} bytes")
            yield line


def _cause(error: csv.Error) -> str:
    if "new-line character" in str(error):
        return f"a line ends with a carriage return alone; {_SAVE}."
    return f"{error}. Perhaps a quote is not closed; write a quote within a cell twice."


def _with(head: str, lines: Iterator[str]) -> Iterator[str]:
    yield head
    yield from lines


def _lines(source: BinaryIO, line_bytes: int) -> Iterator[str]:
    first = True
    while text := source.readline(line_bytes + 1):
        if len(text) > line_bytes:
            raise csv.Error(f"a line is longer than {line_bytes:,} bytes")
        if first and text.startswith(_UTF_16):
            raise CSVError(f"it is in UTF-16; {_SAVE}.")
        yield text.removeprefix(BYTE_ORDER_MARK if first else b"").decode(errors="surrogateescape")
        first = False


def _columns(head: list[str]) -> list[str]:
    columns = [name.strip() for name in head]
    while columns and not columns[-1]:
        columns.pop()
    wrong = [
        *(f"{name!a} is no column" for name in columns if name not in COLUMNS),
        *(f"{name} stands twice" for name in COLUMNS if columns.count(name) > 1),
        *(f"{name} is missing" for name in COLUMNS if name not in columns),
    ]
    if wrong:
        raise CSVError(
            f"the first row has to name the columns: {'; '.join(wrong[:15])}. They are "
            f"{', '.join(COLUMNS)}, in any order. If it is no CSV, say so with --format ndjson; "
            f"else {_SAVE}."
        )
    return columns
