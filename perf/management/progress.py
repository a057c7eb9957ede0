"""How a run tells how far it is: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

NEXT_LINE_S: Final = 5.0
KNOWN_RATIO: Final = 0.1  # some pairs take a hundred times as long as others, in random order


class QuietWatcher:
    """Tells nothing."""

    def step(self, text: str) -> None:
        """Nothing."""

    def progress(self, done: int, total: int, text: str) -> None:
        """Nothing."""


class LineWatcher:
    """A line for each step, and one every few seconds while it is timed."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._started = self._told = time.monotonic()

    def step(self, text: str) -> None:
        """Say what begins."""
        self._out.write(f"{text}\n")
        self._out.flush()
        self._started = self._told = time.monotonic()

    def progress(self, done: int, total: int, text: str) -> None:
        """Say how far it is, if it is time to."""
        now = time.monotonic()
        if now - self._told < NEXT_LINE_S:
            return
        self._told = now
        left_s = (now - self._started) * (total - done) / max(done, 1)
        left = f", {_clock(left_s)} left" if done >= KNOWN_RATIO * total else ""
        self._out.write(f"{done / total:4.0%}{left}: {text}\n")
        self._out.flush()


class BarWatcher:
    """A bar with the time that is left and the interval that was narrowed last."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: Any = None

    def step(self, text: str) -> None:
        """Say what begins, above the bar."""
        self._bar.console.print(text, style="dim", highlight=False)
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None

    def progress(self, done: int, total: int, text: str) -> None:
        """Move the bar."""
        if self._task is None or self._bar.tasks[-1].total != total:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task("", total=total, text=text)
        self._bar.update(self._task, completed=done, text=text)


@contextmanager
def watching(*, quiet: bool) -> Iterator[QuietWatcher | LineWatcher | BarWatcher]:
    """Whatever fits standard error, where all of it goes: reports go to standard output."""
    if quiet:
        yield QuietWatcher()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineWatcher(sys.stderr)
        return
    columns = (
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield BarWatcher(bar)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"
