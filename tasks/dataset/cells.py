"""A record as the cells of a CSV row, and back again, so that nothing is lost.

Labels are a row within their cell: `bug, docs, "a, b"`. What a spreadsheet would take for a formula
has an apostrophe before it, and so has what would look as if it had one. An empty cell is null
where null may stand.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tasks.dataset.records import Record

COLUMNS: Final = Record.__struct_fields__
_NULLABLE: Final = ("assignee", "completed_at")
# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV Injection).
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_NEEDS_QUOTES: Final = re.compile(r'[,"\r\n]|^\s|\s$|^$')


def cells_of(record: Record) -> list[str]:
    """The cells of a record, in the order of `COLUMNS`."""
    return [_cell(getattr(record, name)) for name in COLUMNS]


def json_of(columns: Sequence[str], cells: Iterable[str]) -> bytes:
    """The line of JSON that says what a row says. Cells that no column names are called after their
    place, and columns without a cell are absent: `decode` refuses both."""
    names = [*columns]
    values: dict[str, Any] = {}
    for place, cell in enumerate(cells):
        name = names[place] if place < len(names) else f"cell {place + 1}"
        values[name] = _value(name, cell)
    return json.dumps(values).encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = ", ".join(map(_label, value))
    text = value if isinstance(value, str) else msgspec.to_builtins(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _label(name: str) -> str:
    return f'"{name.replace(chr(34), chr(34) * 2)}"' if _NEEDS_QUOTES.search(name) else name


def _value(name: str, cell: str) -> Any:
    text = cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
    if name in _NULLABLE and not text:
        return None
    return _labels(text) if name == "labels" else text


def _labels(text: str) -> list[str]:
    # With its line breaks, which a name may have between quotes.
    rows = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True))
    return [name for row in rows for name in row]
