"""Runs as files: one JSON document each, in the folder `PERF_DIR` of the settings (`.perf`).

The files are the truth; what else knows of runs is made from them.
"""

from __future__ import annotations

import fcntl
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

from perf.engine.results import Run
from perf.report import documents

LAST: Final = "last"
_SUFFIXES: Final = (".json", ".json.gz")
_ID: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")  # what else lies there is no run


class NoSuchRun(LookupError):
    """No run has that name, or several have. The message says which there are."""


class Busy(RuntimeError):
    """Another run is being made: two would measure each other."""


def folder() -> Path:
    """Where runs are kept. It need not be there."""
    return Path(getattr(settings, "PERF_DIR", ".perf"))


def save(run: Run) -> Path:
    """Keep a run, whole or broken off; its file."""
    path = _made() / f"{run.id}.json"
    partial = path.with_suffix(".partial")
    try:
        partial.write_bytes(documents.encode(run))
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)  # where the disk is full, not even half of one is left
        raise
    return path


def ids() -> list[str]:
    """The ids of all runs that are kept, the newest last."""
    return sorted(path.stem for path in folder().glob("*.json") if _ID.fullmatch(path.stem))


def _made() -> Path:
    found = folder()
    found.mkdir(parents=True, exist_ok=True)
    return found


def load(name: str) -> Run:
    """A run by its id, the beginning of one, a file, or "last".

    Raises `NoSuchRun`, and `documents.DocumentError` for a file that is no run.
    """
    path = _path(name)
    try:
        found = path.read_bytes()
        return documents.decode(gzip.decompress(found) if path.suffix == ".gz" else found)
    except (documents.DocumentError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise documents.DocumentError(f"{path}: {error}") from error


def _path(name: str) -> Path:
    if name.endswith(_SUFFIXES):
        if not Path(name).is_file():
            raise NoSuchRun(f"There is no file {name}.")
        return Path(name)
    known = ids()
    found = known[-1:] if name == LAST else [each for each in known if each.startswith(name)]
    if len(found) == 1:
        return folder() / f"{found[0]}.json"
    if not known:
        raise NoSuchRun(f"There is no run yet in {folder()}: `manage.py benchmark run` makes one.")
    if found:
        raise NoSuchRun(f"{len(found)} runs begin with {name!r}: {', '.join(found[:5])}.")
    raise NoSuchRun(f"No run is named {name!r}; the last one is {known[-1]}.")


@contextmanager
def alone() -> Iterator[None]:
    """Hold the right to measure, of which a folder has one. Raises `Busy` while another has it.

    The system gives it back when the process ends, in whatever way.
    """
    with (_made() / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"Another run is being made with {folder()}: wait for its end.") from error
        yield
