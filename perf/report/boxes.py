"""Parts with boxes and colour, for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from perf.report.parts import Heading, Line, Part, Table, Tone, Verbatim, is_apart
from perf.report.texts import printable

_STYLES: Final = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.UNSURE: "yellow",
    Tone.SAME: "cyan",
    Tone.QUIET: "dim",
    Tone.STRONG: "bold",
}


def boxed(parts: Iterable[Part], width: int, *, color: bool) -> str:
    """The parts as text that ends with a line break."""
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        color_system="standard" if color else None,
        no_color=not color,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        for before, each in pairwise((None, *parts)):
            if is_apart(before, each):
                console.print()
            _print(console, each)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _print(console: Console, part: Part | None) -> None:
    match part:
        case Heading(text):
            console.print(Text(printable(text), style="bold"))
        case Line(text, tone, key):
            console.print(_grid(key, Text(printable(text), style=_STYLES[tone])))
        case Verbatim(text):
            console.print(Padding(Text(printable(text), overflow="fold"), (0, 0, 0, 4)))
        case Table():
            console.print(_rich_table(part))


def _grid(key: str, text: Text) -> RichTable | Text:
    if not key:
        return text
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text("  " + printable(key), style="bold"), text)
    return grid


def _rich_table(found: Table) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in found.columns:
        drawn.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=not column.may_shrink,
        )
    for row in found.rows:
        drawn.add_row(*(Text(printable(each.text), style=_STYLES[each.tone]) for each in row))
    return drawn
