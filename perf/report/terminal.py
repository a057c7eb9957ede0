"""A run on a terminal or in a log: one line, or one row, for each naive way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perf.engine.results import Run
from perf.report import figures, summary
from perf.report.painting import Look, paint
from perf.report.parts import (
    TONE_OF_FINDING,
    Cell,
    Column,
    Heading,
    Line,
    Part,
    Table,
    Tone,
    table,
    tone_of,
)
from perf.report.statements import blocks_text, statements_text
from perf.report.summary import Row

PLAIN: Final = Look()
ROOMY: Final = 120  # columns, for names of pairs in one line


def render(run: Run, look: Look = PLAIN) -> str:
    """The whole run. `Look.of(stream)` suits a stream; the default has no escape codes, and each
    line holds to its width."""
    return paint(_parts(run, look), look)


def _parts(run: Run, look: Look) -> Iterator[Part]:
    yield from _head(run)
    rows = tuple(summary.rows(run))
    if rows and look.terminal:
        yield _stacked(rows, look.width, summary.growth_kind(run))
    elif rows:
        yield from _in_lines(run, rows)
    yield from _amiss(run)
    yield from _claims(run)
    yield from _controls(run)
    yield from _next(run)


def _head(run: Run) -> Iterator[Part]:
    yield Line(summary.headline(run), Tone.STRONG)
    if broken := summary.broken_off(run):
        yield Line(broken, Tone.BAD)
    if run.note:
        yield Line(run.note)
    yield Line(f"On {summary.machine(run)}", Tone.QUIET)
    yield Line(summary.method(run), Tone.QUIET)


# On a terminal: the efficient way's figure over the naive one's.


def _stacked(rows: tuple[Row, ...], width: int, of: str) -> Table:
    columns = (
        Column("pair", may_shrink=True),
        Column("efficient\nnaive", may_shrink=True),
        Column("median", right=True),
        Column("blocks", right=True),
        Column("stmts", right=True),
        Column("growth" if of == summary.TIME else "growth of\nblocks", right=True),
        Column("naive : efficient\nsaved a call"),
        Column("verdict\npays from"),
    )
    return table(columns, (_stack(each, width, of) for each in rows))


def _stack(row: Row, width: int, of: str) -> Iterator[Cell]:
    name = row.pair.name if width >= ROOMY else row.pair.name.replace(".", ".\n")
    yield Cell(f"{name}\nat {figures.size(row.at)}")
    yield Cell(f"{row.efficient}\n{row.naive.name}")
    for two in (_medians(row), _blocks(row), _statements(row), row.growths(of)):
        yield Cell("\n".join(two))
    ratio = figures.ratio_interval(row.ratio)
    yield Cell(f"{ratio}\n{figures.ns(row.saved_ns)}")
    yield Cell(f"{row.verdict}\n{row.pays_from}", tone_of(row.verdict))


# In a log: a line with the times and one with the counts, both found by the pair's name.


def _in_lines(run: Run, rows: tuple[Row, ...]) -> Iterator[Part]:
    ways = "efficient/naive"
    if summary.is_anything_timed(run):
        yield Heading("Time, at the largest size of each")
        columns = ("verdict", "pair", "size", ways, "medians", "ratio", "saved")
        yield table(_columns(columns), (_time_line(each) for each in rows))
    of = summary.growth_kind(run)
    growth = "growth" if of == summary.TIME else "growth of blocks"
    yield Heading("Counts and growth")
    columns = ("pair", "size", ways, "blocks", "statements", growth, "pays from")
    yield table(_columns(columns), (_count_line(each, of) for each in rows))


def _columns(titles: tuple[str, ...]) -> Iterator[Column]:
    for each in titles:
        yield Column(each, right=each == "size", may_shrink=each in ("pair", "efficient/naive"))


def _time_line(row: Row) -> Iterator[str]:
    yield row.verdict
    yield row.pair.name
    yield figures.size(row.at)
    yield f"{row.efficient}/{row.naive.name}"
    yield " / ".join(_medians(row))
    yield figures.ratio_interval(row.ratio)
    yield figures.ns(row.saved_ns)


def _count_line(row: Row, of: str) -> Iterator[str]:
    yield row.pair.name
    yield figures.size(row.at)
    yield f"{row.efficient}/{row.naive.name}"
    yield " / ".join(_blocks(row))
    yield " / ".join(_statements(row))
    yield " / ".join(row.growths(of))
    yield row.pays_from


def _medians(row: Row) -> tuple[str, str]:
    first, second = (figures.ns(summary.median_ns(each)) for each in row.both)
    return first, second


def _blocks(row: Row) -> tuple[str, str]:
    first, second = (blocks_text(summary.counters_of(each)) for each in row.both)
    return first, second


def _statements(row: Row) -> tuple[str, str]:
    first, second = (statements_text(summary.counters_of(each)) for each in row.both)
    return first, second


# Below the table


def _amiss(run: Run) -> Iterator[Part]:
    refused = tuple(summary.refusals(run))
    if refused:
        yield Heading("Refused")
        for pair, size, why in refused:
            yield Line(why, Tone.BAD, f"{pair.name} {figures.size(size.size)}")
    untimed = tuple(summary.untimed(run))
    if untimed:
        yield Heading("Not timed")
        for pair, size, way in untimed:
            yield Line(f"{way.name}: {way.note}", key=f"{pair.name} {figures.size(size.size)}")
    if skipped := summary.skipped(run):
        yield Heading("Skipped")
        yield from (Line(each.skipped, key=each.name) for each in skipped)


def _claims(run: Run) -> Iterator[Part]:
    yield Heading("Claims")
    against = summary.claims_against(run)
    yield Line(summary.claims_line(run), Tone.UNSURE if against else Tone.PLAIN)
    for pair, claim in against:
        text = f"{claim.finding.value}: {claim.text}; measured: {claim.measured}"
        yield Line(text, TONE_OF_FINDING[claim.finding], pair.name)
    yield from (Line(each, Tone.QUIET, "not measured") for each in summary.claims_unmeasured(run))


def _controls(run: Run) -> Iterator[Part]:
    yield Heading("Controls")
    yield Line(summary.controls(run))
    complaints = run.controls.complaints if run.controls else ()
    yield from (Line(each, Tone.UNSURE, "Mind") for each in complaints)


def _next(run: Run) -> Iterator[Part]:
    show = f"manage.py benchmark history --show {run.id}"
    yield Heading("Next")
    for each in summary.next_steps(run):
        yield Line(each, key="-")
    if run.pairs:
        yield Line(f"See all figures of a pair: {show} PAIR", key="-")
        yield Line(f"Draw it: {show} --html run.html", key="-")
