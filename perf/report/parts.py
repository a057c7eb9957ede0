"""What a report on a terminal is made of, whichever way it is painted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from perf.engine.results import Finding, Verdict


class Tone(StrEnum):
    """What a text means. No tone says more than the words do."""

    PLAIN = ""
    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"
    SAME = "same"
    QUIET = "quiet"
    STRONG = "strong"


TONE_OF_VERDICT = {
    Verdict.EFFICIENT: Tone.GOOD,
    Verdict.NAIVE: Tone.BAD,
    Verdict.EQUIVALENT: Tone.SAME,
    Verdict.INCONCLUSIVE: Tone.UNSURE,
    Verdict.TOO_NOISY: Tone.UNSURE,
    Verdict.REFUSED: Tone.BAD,
}
TONE_OF_FINDING = {
    Finding.HOLDS: Tone.GOOD,
    Finding.REFUTED: Tone.BAD,
    Finding.UNDECIDED: Tone.UNSURE,
    Finding.NOT_MEASURED: Tone.QUIET,
}


def tone_of(verdict: str) -> Tone:
    """The tone of a verdict's words; of what is none, such as "not timed", a quiet one."""
    return TONE_OF_VERDICT[Verdict(verdict)] if verdict in set(Verdict) else Tone.QUIET


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of a table; it may have lines."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Column:
    """`may_shrink`: its texts are cut where the table is too wide."""

    title: str
    right: bool = False
    may_shrink: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph, wrapped to the width. `key` stands before it in a column of its own."""

    text: str
    tone: Tone = Tone.PLAIN
    key: str = ""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Lines that keep their breaks and spaces, such as a plan."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


type Part = Heading | Line | Verbatim | Table


def table(columns: Iterable[Column], rows: Iterable[Iterable[Cell | str]]) -> Table:
    """A table whose cells may be given as plain texts."""
    filled = (tuple(each if isinstance(each, Cell) else Cell(each) for each in row) for row in rows)
    return Table(tuple(columns), tuple(filled))


def is_apart(before: Part | None, part: Part | None) -> bool:
    """Whether an empty line stands between the two."""
    if isinstance(part, Table):
        return isinstance(before, Line | Table)
    return before is not None and isinstance(part, Heading)
