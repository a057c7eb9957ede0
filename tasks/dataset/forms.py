"""The forms of a file of records: NDJSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from tasks.dataset.cells import COLUMNS, cells_of
from tasks.dataset.records import Record


@dataclass(frozen=True, slots=True)
class Form:
    """A form: what a file begins with, how some records look in it, and what HTTP calls it."""

    head: bytes
    encode: Callable[[Iterable[Record]], bytes]
    media_type: str


def _rows(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


FORMS: Final = {
    "ndjson": Form(b"", msgspec.json.Encoder().encode_lines, "application/x-ndjson"),
    "csv": Form(
        _rows([COLUMNS]), lambda records: _rows(map(cells_of, records)), "text/csv; charset=utf-8"
    ),
}

EXAMPLE: Final = Record(
    tenant="acme",
    project="WEB",
    external_key="old-417",
    title="Check the export",
    description="Numbers too.",
    status="done",
    priority="high",
    creator="ann",
    assignee="ben.sato",
    labels=["bug", "quick win"],
    created_at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
    completed_at=datetime(2026, 3, 4, 16, tzinfo=UTC),
    updated_at=datetime(2026, 3, 4, 16, tzinfo=UTC),
)


def form_of(path: str) -> str:
    """The name of a file's form: "csv" if it ends with .csv or .csv.gz, else "ndjson"."""
    return "csv" if path.lower().removesuffix(".gz").endswith(".csv") else "ndjson"
