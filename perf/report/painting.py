"""Parts become lines: with boxes and colour for a terminal, or aligned and plain for all else."""

from __future__ import annotations

import io
import os
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TextIO

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from perf.report.parts import Heading, Line, Part, Table, Tone, Verbatim
from perf.report.texts import printable

PLAIN_WIDTH: Final = 160
NARROWEST: Final = 40
_STYLES: Final = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.UNSURE: "yellow",
    Tone.SAME: "cyan",
    Tone.QUIET: "dim",
    Tone.STRONG: "bold",
}
_GAP: Final = "  "
_LEAST: Final = 8  # what is left of a cell that is cut


@dataclass(frozen=True, slots=True)
class Look:
    """How to paint: boxes only on a terminal, colour only with boxes."""

    width: int = PLAIN_WIDTH
    terminal: bool = False
    color: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Look:
        """What suits a stream. NO_COLOR is heeded, see https://no-color.org."""
        if not stream.isatty():
            return cls()
        width = shutil.get_terminal_size((100, 24)).columns
        return cls(max(width, NARROWEST), terminal=True, color=not os.environ.get("NO_COLOR"))


def paint(parts: Iterable[Part], look: Look) -> str:
    """The parts as text that ends with a line break."""
    return _boxed(parts, look) if look.terminal else _plain(parts, look.width)


def _is_apart(before: Part | None, part: Part | None) -> bool:
    if isinstance(part, Table):
        return isinstance(before, Line | Table)
    return before is not None and isinstance(part, Heading)


# In boxes


def _boxed(parts: Iterable[Part], look: Look) -> str:
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        width=look.width,
        color_system="standard" if look.color else None,
        no_color=not look.color,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        for before, each in pairwise((None, *parts)):
            if _is_apart(before, each):
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


# Plain


def _plain(parts: Iterable[Part], width: int) -> str:
    lines: list[str] = []
    for before, part in pairwise((None, *parts)):
        if _is_apart(before, part):
            lines.append("")
        lines += (each.rstrip() for each in _plain_lines(part, width))
    return "\n".join(lines) + "\n"


def _plain_lines(part: Part | None, width: int) -> Iterator[str]:
    match part:
        case Heading(text):
            yield from _wrapped(f"{printable(text)}:", width)
        case Line(text, _, key):
            lead = f"  {printable(key)}{_GAP}" if key else ""
            yield from _wrapped(printable(text), width, lead)
        case Verbatim(text):
            for line in printable(text).splitlines() or [""]:
                yield from _folded(line, width)
        case Table():
            yield from _aligned(part, width)


def _wrapped(text: str, width: int, lead: str = "") -> list[str]:
    if len(lead) > width // 2:  # no room beside it
        return [*_wrapped(lead, width), *_wrapped(text, width, " " * 4)]
    inner = textwrap.TextWrapper(
        width=width,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_on_hyphens=False,
    )
    return inner.wrap(text) or [lead]


def _folded(line: str, width: int) -> Iterator[str]:
    """Break a long line, and keep its depth: in a plan that is what tells parent from child."""
    depth = min(len(line) - len(line.lstrip()) + 4, width // 2)
    wrapper = textwrap.TextWrapper(
        width=width,
        initial_indent="    ",
        subsequent_indent=" " * (depth + 2),
        drop_whitespace=False,
        break_on_hyphens=False,
    )
    yield from wrapper.wrap(line) or [""]


def _aligned(found: Table, width: int) -> Iterator[str]:
    cells = [[column.title.upper() for column in found.columns]]
    cells += [[_single_line(each.text) for each in row] for row in found.rows]
    widths = [max(cell_len(row[at]) for row in cells) for at in range(len(found.columns))]
    _shrink(found, widths, width)
    for row in cells:
        yield _GAP.join(_placed(row, widths, [each.right for each in found.columns]))


def _single_line(text: str) -> str:
    return " ".join(printable(text).split())


def _shrink(found: Table, widths: list[int], width: int) -> None:
    """Take what is too much from the widest of the columns that may shrink, then from any."""
    may = [at for at, column in enumerate(found.columns) if column.may_shrink]
    for among in (may, range(len(widths))):
        while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
            widest = max(among, key=lambda at: widths[at], default=None)
            if widest is None or widths[widest] <= _LEAST:
                break
            widths[widest] -= 1


def _placed(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    for text, width, is_right in zip(row, widths, right, strict=True):
        shown = text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
        padding = " " * (width - cell_len(shown))
        yield padding + shown if is_right else shown + padding
