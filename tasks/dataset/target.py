"""The file that an export goes to: plain or gzip, a path or standard output."""

from __future__ import annotations

import gzip
import os
import stat
import sys
import tempfile
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
        if name.lower().endswith(".gz"):
            packed = gzip.GzipFile("", fileobj=raw, mode="wb", mtime=0)
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
    """A file of this run's own, beside the one whose place and mode it takes in the end."""
    number, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(number, "wb") as raw:
            os.fchmod(number, _mode(path))
            yield raw
            raw.flush()
            os.fsync(number)
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)


def _mode(path: Path) -> int:
    """That of the file that is there, or what the process gives a new one."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
