"""The file that an export goes to: plain or gzip, a path or standard output."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast


@contextmanager
def open_target(name: str) -> Iterator[BinaryIO]:
    """A file to write to, `-` for standard output; compressed if its name ends with .gz.

    A file gets its name when all is written: what breaks off leaves the old one, or none. What is
    no file, such as a pipe or /dev/null, is written to as it is.
    """
    with ExitStack() as stack:
        raw = stack.enter_context(_opened(name))
        if name.endswith(".gz"):
            packed = gzip.GzipFile(fileobj=raw, mode="wb", mtime=0)
            raw = cast(BinaryIO, stack.enter_context(packed))
        yield raw


def _opened(name: str) -> AbstractContextManager[BinaryIO]:
    if name == "-":
        return _standard_output()
    path = Path(name)
    if path.exists() and not path.is_file():
        return path.open("wb")
    return _whole_file(path.resolve())  # a link stays one


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
