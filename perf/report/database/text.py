"""A look as text: for a terminal, or plain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

from perf.pgstat.results import LINES, SQL, Document, Finding, Kind, Row, SectionResult, Status
from perf.report.database import values
from perf.report.painting import Look, paint
from perf.report.parts import Cell, Column, Heading, Line, Part, Tone, Verbatim, table

BELOW: Final = (SQL, LINES)  # what stands below a table, as no column of it can hold it
_FEW: Final = 6  # columns that one row is told in a table with
_LABEL_MOST: Final = 40
_GAP: Final = 2


def report(document: Document, look: Look) -> str:
    """The sections with their rows, and what their checks found."""
    return paint(_report(document, look.width), look)


def health(document: Document, look: Look) -> str:
    """The findings, the worst first; then each check with what came of it."""
    return paint(_health(document), look)


def statements(document: Document, look: Look) -> str:
    """Each statement with its figures, where it comes from, and its text."""
    return paint(_statements(document), look)


def _statements(document: Document) -> Iterator[Part]:
    yield from _head(document)
    for section in document.sections:
        if not section.rows:
            yield from _section(section, 0)
            return
        for note in section.notes:
            yield Line(note, Tone.QUIET)
        units = {column.key: column.unit for column in section.columns}
        for row in section.rows:
            yield from _statement(row, units)
        if section.hidden_rows:
            yield Line(f"{section.hidden_rows:,} more: --top all shows them.", Tone.QUIET)


_FIGURES: Final = (
    *("total_time_ms", "share", "calls", "mean_ms", "rows_per_call", "blocks_per_call"),
    *("read_blocks", "temp_bytes", "wal_bytes", "plan_time_ms"),
)


def _statement(row: Row, units: dict[str, str]) -> Iterator[Part]:
    yield Heading(f"{row['queryid'] or 'hidden'} ({row['kind']})")
    told = (
        f"{name.removesuffix('_ms').removesuffix('_bytes').replace('_', ' ')} "
        f"{values.value(row[name], units[name])}"
        for name in _FIGURES
        if row.get(name) is not None
    )
    yield Line(", ".join(told))
    for origin in _told_below(row.get("origins")):
        yield Line(origin, Tone.SAME, key="from")
    if row.get("origins") == []:
        yield Line("no request that was monitored", Tone.UNSURE, key="from")
    if row.get("query"):
        yield Verbatim(str(row["query"]))


class Planned(Protocol):
    """What is told of a statement's plans."""

    @property
    def statement(self) -> str: ...
    @property
    def sql(self) -> str: ...
    @property
    def origins(self) -> tuple[str, ...]: ...
    @property
    def note(self) -> str: ...
    @property
    def plans(self) -> tuple[Any, ...]: ...


def plans(found: Planned, look: Look) -> str:
    """A statement with where it comes from, and its plans, the newest first."""
    return paint(_plans(found), look)


def _plans(found: Planned) -> Iterator[Part]:
    yield Heading(f"Statement {found.statement}")
    for origin in found.origins:
        yield Line(origin, Tone.SAME, key="from")
    yield Verbatim(found.sql)
    yield Line(found.note)
    for each in found.plans:
        if each.first:
            seen = f"{values.moment(each.first)} to {values.moment(each.last)} UTC"
            yield Heading(f"Plan of {seen}")
        yield Verbatim(each.plan)


def _report(document: Document, width: int) -> Iterator[Part]:
    yield from _head(document)
    for section in document.sections:
        yield from _section(section, width)


def _head(document: Document) -> Iterator[Part]:
    server, role = document.server, document.capabilities["role"]
    standby = ", a standby" if server["in_recovery"] else ""
    yield Line(
        f"Database {document.database}, PostgreSQL {server['version']}{standby}, seen as {role}. "
        + values.window(document.window)
    )
    for note in document.window.notes:
        yield Line(note, Tone.UNSURE)


def _section(section: SectionResult, width: int) -> Iterator[Part]:
    yield Heading(section.title)
    yield Line(section.says, Tone.QUIET)
    if section.status in (Status.SKIPPED, Status.INSUFFICIENT, Status.ERROR) and section.reason:
        yield Line(f"{section.reason}", Tone.UNSURE, key=section.status)
        if section.remedy:
            yield Line(section.remedy, key="helps")
        return
    for note in section.notes:
        yield Line(note, Tone.UNSURE)
    if section.rows:
        yield from _rows(section, width)
    elif section.columns:
        yield Line("No rows.", Tone.QUIET)
    if section.hidden_rows:
        yield Line(f"{section.hidden_rows:,} more rows: --top all shows them.", Tone.QUIET)
    for check in section.checks:
        yield Line(
            f"{check.title}: {values.outcome(check)}",
            values.TONE_OF_STATUS[check.status],
            key=check.id,
        )
        for finding in check.findings:
            yield Line(f"{finding.severity}: {finding.what}", key="  ")


def _rows(section: SectionResult, width: int) -> Iterator[Part]:
    """A table of the columns that fit, the first ones first; one row alone goes down the page."""
    texts = [each for each in section.columns if each.unit in BELOW]
    columns = [each for each in section.columns if each.unit not in BELOW]
    if len(section.rows) == 1 and len(columns) > _FEW:
        for each in columns:
            told = values.value(section.rows[0].get(each.key), each.unit)
            yield Line(told, key=_name(each))
        return
    shown = _fitting(columns, section, width)
    yield table(
        [
            Column(
                _name(each),
                right=each.kind is not Kind.LABEL,
                may_shrink=each.kind is Kind.LABEL,
            )
            for each in shown
        ],
        [
            [Cell(values.value(row.get(each.key), each.unit)) for each in shown]
            for row in section.rows
        ],
    )
    if left_out := len(columns) - len(shown):
        yield Line(f"{left_out} more columns: --format html has them all.", Tone.QUIET)
    first = columns[0]
    for column in texts:
        yield Line(f"{column.meaning}:".capitalize())
        for row in section.rows:
            for told in _told_below(row.get(column.key)):
                yield Line(told, key=values.value(row.get(first.key), first.unit))


def _told_below(found: Any) -> list[str]:
    """Nothing of what is not known, or of an empty list."""
    if isinstance(found, list):
        return [str(each) for each in found]
    return [] if found is None else [str(found)]


def _name(column: Any) -> str:
    return str(column.key).replace("_", " ")


def _fitting(columns: list[Any], section: SectionResult, width: int) -> list[Any]:
    shown: list[Any] = []
    taken = 0
    for each in columns:
        told = [values.value(row.get(each.key), each.unit) for row in section.rows]
        most = max(map(len, [_name(each), *told]))
        taken += min(most, _LABEL_MOST if each.kind is Kind.LABEL else most) + _GAP
        if taken > width and shown:
            break
        shown.append(each)
    return shown


def _health(document: Document) -> Iterator[Part]:
    yield from _head(document)
    found = document.findings
    for finding in found:
        yield from _finding(finding)
    yield Heading("Checks")
    for check in document.checks:
        yield Line(
            f"{check.title}: {values.outcome(check)}",
            values.TONE_OF_STATUS[check.status],
            key=check.id,
        )
        if check.remedy:
            yield Line(check.remedy, key="    helps")
    yield Line(summary(document), Tone.BAD if found else Tone.GOOD)


def summary(document: Document) -> str:
    """How many findings, and how many checks could not answer."""
    checks = document.checks
    silent = [each for each in checks if each.status not in (Status.OK, Status.FINDING)]
    found = document.findings
    told = f"{len(found)} finding{'s' * (len(found) > 1)}" if found else "Nothing found"
    answered = f"{len(checks) - len(silent)} of {len(checks)} checks answered"
    return f"{told}; {answered}."


def _finding(finding: Finding) -> Iterator[Part]:
    yield Heading(f"{finding.severity} {finding.check}: {finding.place}")
    yield Line(finding.what, values.TONE_OF_SEVERITY[finding.severity])
    if finding.place.model:
        yield Line(f"{finding.place.model}, {finding.place.file or 'no file'}", key="model")
    if told := values.evidence(finding):
        yield Line(", ".join(told), Tone.QUIET, key="evidence")
    yield Line(finding.confidence, Tone.QUIET, key="confidence")
    for caveat in finding.caveats:
        yield Line(caveat, Tone.UNSURE, key="but")
    if fix := finding.fix:
        online = {True: "others write meanwhile", False: "others wait meanwhile", None: ""}
        for key, text in (("SQL", fix.sql), ("undo", fix.undo_sql), ("Django", fix.django)):
            if text:
                yield Line(
                    f"{key}:"
                    + (
                        f" ({online[fix.online]})"
                        if key == "SQL" and fix.online is not None
                        else ""
                    )
                )
                yield Verbatim(text)
