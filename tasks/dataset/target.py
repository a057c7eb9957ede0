"""The file that an export goes to: NDJSON or CSV, plain or gzip, a path or standard output."""

from __future__ import annotations

import csv
import gzip
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from tasks.dataset.records import Record

FORMATS: Final = ("ndjson", "csv")
# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV Injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Write = Callable[[Record], object]


@contextmanager
def open_target(name: str, *, form: str) -> Iterator[Write]:
    """What writes records to a file, `-` for standard output; compressed if it ends with .gz.

    The file gets its name when all is written: what breaks off leaves the old one, or none.
    """
    with ExitStack() as stack:
        opened = _standard_output() if name == "-" else _whole_file(Path(name))
        raw: Any = stack.enter_context(opened)
        if name.endswith(".gz"):
            raw = stack.enter_context(gzip.GzipFile(fileobj=raw, mode="wb", mtime=0))
        yield _lines(raw) if form == "ndjson" else _rows(raw, stack)


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as raw:
            yield raw
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _lines(raw: BinaryIO) -> Write:
    encode = msgspec.json.Encoder().encode
    return lambda record: raw.write(encode(record) + b"\n")


def _rows(raw: BinaryIO, stack: ExitStack) -> Write:
    text = io.TextIOWrapper(raw, encoding="utf-8", newline="", write_through=True)
    stack.callback(text.detach)
    writer = csv.writer(text)
    writer.writerow(Record.__struct_fields__)
    return lambda record: writer.writerow(map(_cell, msgspec.structs.astuple(record)))


def _cell(value: object) -> str:
    """A value as a cell: labels with commas between them, times as in JSON, and an apostrophe
    before what a spreadsheet would take for a formula."""
    if value is None:
        return ""
    if isinstance(value, list):
        value = ", ".join(value)
    text = value if isinstance(value, str) else msgspec.json.decode(msgspec.json.encode(value))
    return f"'{text}" if text.startswith(_FORMULA) else str(text)
