"""The lines of an import file: NDJSON or CSV, plain or gzip, a path or standard input."""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from tasks.dataset.csv_rows import BYTE_ORDER_MARK, CSVError, rows
from tasks.dataset.forms import form_of

LINE_BYTES: Final = 1024 * 1024
_CSV_HEAD: Final = re.compile(rb'[\w"]+ *[,;\t] *[\w"]+ *[,;\t]')
_GZIP_MAGIC: Final = b"\x1f\x8b"


class SourceError(Exception):
    """The file can't be opened or read to its end; the text says why and what helps."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of JSON with its number in the file, which counts from 1; `complete` is False where it
    was cut. Of a CSV file it is the number of the line that the row begins with."""

    number: int
    text: bytes
    complete: bool = True


@dataclass(slots=True)
class Source:
    """An open import file. `size_bytes` is its size on disk, None for a pipe."""

    name: str
    raw: BinaryIO
    text: io.BufferedReader
    size_bytes: int | None
    form: str = "ndjson"

    @property
    def read_ratio(self) -> float | None:
        """How much of the file, as it lies on disk, has been read: 0 to 1; None for a pipe."""
        if not self.size_bytes:
            return None
        return min(self.raw.tell() / self.size_bytes, 1.0)

    def lines(self) -> Iterator[Line]:
        """Each line that is not blank, without its end; one of more than 1 MiB is cut there. The
        rows of CSV become lines of JSON.

        Raises `SourceError` where reading fails, such as at the end of a truncated gzip file, and
        for a CSV file whose first row does not name the fields, or which can't be told into rows.
        """
        with _reading(self.name):
            yield from self._rows() if self.form == "csv" else self._lines()

    def _lines(self) -> Iterator[Line]:
        number = 0
        while text := self.text.readline(LINE_BYTES + 1):
            number += 1
            complete = len(text) <= LINE_BYTES or text.endswith(b"\n")
            if not complete:
                self._skip_rest_of_line()
            if number == 1:
                text = text.removeprefix(BYTE_ORDER_MARK)
            if text := text.strip():
                if number == 1 and _CSV_HEAD.match(text):
                    raise SourceError(f"{self.name} looks like CSV: say so with --format csv.")
                yield Line(number, text, complete)

    def _rows(self) -> Iterator[Line]:
        try:
            for number, text in rows(self.text, line_bytes=LINE_BYTES):
                yield Line(number, text)
        except CSVError as error:
            raise SourceError(f"{self.name}: {error}") from error

    def _skip_rest_of_line(self) -> None:
        while rest := self.text.readline(LINE_BYTES):
            if rest.endswith(b"\n"):
                return


@contextmanager
def open_source(path: str, form: str | None = None) -> Iterator[Source]:
    """Open an import file, `-` for standard input. Whether it is gzip is told by its content, and
    without `form` ("ndjson" or "csv") by its name whether it is CSV.

    Raises `SourceError` if it is absent, a folder, or may not be read.
    """
    name = "standard input" if path == "-" else path
    with ExitStack() as stack:
        with _reading(name):
            raw = cast(
                BinaryIO,
                sys.stdin.buffer if path == "-" else stack.enter_context(open(path, "rb")),
            )
            source = Source(name, raw, _unpacked(raw), _size_bytes(raw), form or form_of(path))
        yield source


def _unpacked(raw: BinaryIO) -> io.BufferedReader:
    buffered = cast(io.BufferedReader, raw)
    if buffered.peek(2)[:2] != _GZIP_MAGIC:
        return buffered
    return io.BufferedReader(gzip.GzipFile(fileobj=raw), 1024 * 1024)


def _size_bytes(raw: BinaryIO) -> int | None:
    try:
        status = os.fstat(raw.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what goes wrong while reading into a `SourceError`."""
    try:
        yield
    except EOFError as error:
        text = f"{name} is a gzip file that ends too early; copy or download it again."
        raise SourceError(text) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{name} is a damaged gzip file: {error}; get it again.") from error
    except OSError as error:
        raise SourceError(f"{name} can't be read: {error.strerror or error}.") from error
