"""What an import tells while it runs: its progress, and the lines it rejects."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from django.conf import settings
from django.core.management.base import CommandError
from django.db import reset_queries

from tasks.dataset.source import Source
from tasks.management.progress import ProgressLine, bar
from tasks.services.imports.summary import ImportSummary, Rejection

SHOWN_REJECTIONS: Final = 50


class Progress:
    """Tells how far an import is."""

    def __init__(self, tell: Callable[[str], object], *, rewrites: bool, shown: bool) -> None:
        self.summary = ImportSummary()
        self.source: Source | None = None
        self._tell = tell
        self._line = ProgressLine(tell, rewrites=rewrites, shown=shown)

    def update(self, summary: ImportSummary) -> None:
        """Take note of a batch, and tell if it is time to."""
        self.summary = summary
        if settings.DEBUG:
            reset_queries()  # or the log of statements grows with the file
        self._line.update(self._text)

    def wait(self) -> None:
        """Tell that another import has to end first."""
        self._tell("Another import is running: waiting for its end. Ctrl-C gives up.\n")

    def end(self) -> None:
        """Clear the line that was rewritten."""
        self._line.end()

    def _text(self, seconds: float) -> str:
        text = f"{self.summary.records:,} records, {self.summary.records / seconds:,.0f} a second"
        ratio = self.source.read_ratio if self.source else None
        return text if ratio is None else f"{bar(ratio, seconds)} {text}"


class Rejections:
    """Counts rejected lines, keeps the first 50, and writes all of them to a file if there is one.

    An entry of that file: {"line": 7, "reason": "title: is empty; …", "text": "the line"}.
    """

    def __init__(self, target: IO[str] | None) -> None:
        self._target = target
        self._shown: list[str] = []
        self._count = 0

    def add(self, rejection: Rejection) -> None:
        """Take note of one. Raises `CommandError` if it can't be written."""
        self._count += 1
        if len(self._shown) < SHOWN_REJECTIONS:
            self._shown.append(f"line {rejection.line.number:,}: {rejection.reason}")
        if self._target is not None:
            with _writing(self._target.name):
                self._target.write(_entry(rejection))

    def text(self, *, path: str | None) -> str:
        """The lines for the terminal; `path` is where all of them stand."""
        lines = list(self._shown)
        if more := self._count - len(lines):
            lines.append(f"… and {more:,} more: {path or '--rejects FILE writes all of them'}")
        return "".join(f"{line}\n" for line in lines)


def _entry(rejection: Rejection) -> str:
    entry: dict[str, Any] = {
        "line": rejection.line.number,
        "reason": rejection.reason,
        "text": rejection.line.text.decode(errors="backslashreplace"),
    }
    return json.dumps(entry, ensure_ascii=False) + "\n"


@contextmanager
def rejects_file(path: str | None, *, source: str) -> Iterator[IO[str] | None]:
    """Open the file for rejected lines, whose former content goes; None for no path.

    Raises `CommandError` if it can't be written, or if it is the file that is read.
    """
    if path is None:
        yield None
        return
    if os.path.exists(path) and os.path.samestat(os.stat(path), _stat_of(source)):
        raise CommandError("--rejects names the file to import; name another one.")
    with _writing(path):
        target = open(path, "w", encoding="utf-8")  # noqa: SIM115
    try:
        yield target
    finally:
        with _writing(path):
            target.close()


def _stat_of(source: str) -> os.stat_result:
    """That of the file that is read; of the root folder if there is none such."""
    try:
        return os.fstat(sys.stdin.fileno()) if source == "-" else os.stat(source)
    except OSError:
        return os.stat("/")


@contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"--rejects: {path} can't be written: {error.strerror or error}."
        raise CommandError(text) from error
