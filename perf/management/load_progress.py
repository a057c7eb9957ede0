"""How a load test tells how it goes: a table that is redrawn on a terminal, else a line every few
seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from perf.load.results import Second
from perf.report.load.summary import milliseconds

NEXT_LINE_S: Final = 5
SHOWN: Final = 8  # seconds in the table
_WARM_UP: Final = "warm-up"
COLUMNS: Final = ("second", "due", "done", "failed", "in flight", "p50", "p95", "max", "lag")


class QuietTeller:
    """Tells nothing."""

    def step(self, text: str) -> None:
        """Nothing."""

    def second(self, second: Second) -> None:
        """Nothing."""


class LineTeller:
    """A line for each step, and one every five seconds. Where nobody reads them, or the disk is
    full, the run goes on: it is not made for them."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def step(self, text: str) -> None:
        """Say what begins."""
        with suppress(OSError):
            self._out.write(f"{text}\n")
            self._out.flush()

    def second(self, second: Second) -> None:
        """Say how it goes, if it is time to."""
        if second.at % NEXT_LINE_S == 0:
            told = zip(COLUMNS[1:], cells(second)[1:], strict=True)
            when = f"{second.at:>4} s" if second.at >= 0 else _WARM_UP
            self.step(f"{when}: " + ", ".join(f"{n} {x}" for n, x in told))


class TableTeller:
    """The last seconds in a table."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._seconds: list[Second] = []

    def step(self, text: str) -> None:
        """Say what begins, above the table."""
        self._live.console.print(text, style="dim", highlight=False)
        self._seconds.clear()

    def second(self, second: Second) -> None:
        """Show it below the others."""
        self._seconds = [*self._seconds, second][-SHOWN:]
        shown = Table(box=None, header_style="dim")
        for name in COLUMNS:
            shown.add_column(name, justify="right")
        for each in self._seconds:
            style = "red" if each.failed else "dim" if each.at < 0 else ""
            shown.add_row(*cells(each), style=style)
        self._live.update(shown)


def cells(second: Second) -> tuple[str, ...]:
    """A second in words, in the order of the columns."""
    return (
        f"{second.at}" if second.at >= 0 else _WARM_UP,
        f"{second.due:,}",
        f"{second.done:,}",
        f"{second.failed:,}",
        f"{second.in_flight:,}",
        milliseconds(second.p50_ms),
        milliseconds(second.p95_ms),
        milliseconds(second.max_ms),
        milliseconds(second.lag_max_ms),
    )


@contextmanager
def telling(*, quiet: bool) -> Iterator[QuietTeller | LineTeller | TableTeller]:
    """Whatever fits standard error, where all of it goes: reports go to standard output."""
    if quiet:
        yield QuietTeller()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineTeller(sys.stderr)
        return
    with Live(console=console, transient=True) as live:
        yield TableTeller(live)
