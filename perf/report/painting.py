"""Parts become lines: with boxes and colour for a terminal, or aligned and plain for all else.

Where rich is not installed, as beside the service alone, all is plain.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import Final, TextIO

from perf.report.parts import Heading, Line, Part, Table, Verbatim, is_apart
from perf.report.texts import cells, cut, printable

PLAIN_WIDTH: Final = 160
NARROWEST: Final = 40
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
        if not stream.isatty() or find_spec("rich") is None:
            return cls()
        width = shutil.get_terminal_size((100, 24)).columns
        return cls(max(width, NARROWEST), terminal=True, color=not os.environ.get("NO_COLOR"))


def paint(parts: Iterable[Part], look: Look) -> str:
    """The parts as text that ends with a line break."""
    if look.terminal:
        from perf.report.boxes import boxed

        return boxed(parts, look.width, color=look.color)
    return _plain(parts, look.width)


# Plain


def _plain(parts: Iterable[Part], width: int) -> str:
    lines: list[str] = []
    for before, part in pairwise((None, *parts)):
        if is_apart(before, part):
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
    lines = [[column.title.upper() for column in found.columns]]
    lines += [[_single_line(each.text) for each in row] for row in found.rows]
    widths = [max(cells(row[at]) for row in lines) for at in range(len(found.columns))]
    _shrink(found, widths, width)
    for row in lines:
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
        shown = text if cells(text) <= width else cut(text, width - 1) + "…"
        padding = " " * (width - cells(shown))
        yield padding + shown if is_right else shown + padding
