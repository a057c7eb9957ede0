"""Runs as files, and the right to measure, of which there is one."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from perf.kept import LAST, NoSuchRun, Shelf, folder
from perf.report import documents

__all__ = ["LAST", "RUNS", "Busy", "NoSuchRun", "alone", "folder", "ids", "load", "save"]

RUNS: Final = Shelf(documents.FORMAT, "", "run", "manage.py benchmark run")

save: Final = RUNS.save
ids: Final = RUNS.ids
load: Final = RUNS.load


class Busy(RuntimeError):
    """Another run is being made: two would measure each other."""


@contextmanager
def alone() -> Iterator[None]:
    """Hold the right to measure, of which `PERF_DIR` has one: a benchmark and a load test would
    measure each other too. Raises `Busy` while another has it.

    The system gives it back when the process ends, in whatever way.
    """
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"Another run is being made with {folder()}: wait for its end.") from error
        yield
