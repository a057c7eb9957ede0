"""The file that an export goes to: plain or gzip, a path or standard output."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast


@contextmanager
def open_target(name: str) -> Iterator[BinaryIO]:
    """A file to write to, `-` for standard output; compressed if its name ends with .gz.

    The file gets its name when all is written: what breaks off leaves the old one, or none.
    """
    with ExitStack() as stack:
        opened = _standard_output() if name == "-" else _whole_file(Path(name))
        raw = stack.enter_context(opened)
        if name.endswith(".gz"):
            packed = gzip.GzipFile(fileobj=raw, mode="wb", mtime=0)
            raw = cast(BinaryIO, stack.enter_context(packed))
        yield raw


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
