"""A look beside an earlier one: each figure with what it was."""

from __future__ import annotations

from dataclasses import replace

from perf.pgstat.results import Column, Document, Kind, Row, SectionResult, Value

BEFORE = "_before"


def beside(document: Document, earlier: Document) -> Document:
    """The look with the figures of the earlier one in columns of their own.

    Rows are the same that have the same labels. Findings are of the look itself.
    """
    others = {section.name: section for section in earlier.sections}
    note = f"Beside it: {earlier.window.since} to {earlier.window.until}."
    window = replace(document.window, notes=(*document.window.notes, note))
    sections = tuple(_section(each, others.get(each.name)) for each in document.sections)
    return replace(document, window=window, sections=sections)


def _section(section: SectionResult, earlier: SectionResult | None) -> SectionResult:
    if earlier is None:
        return section
    labels = [each.key for each in section.columns if each.kind is Kind.LABEL]
    known = {_identity(row, labels): row for row in earlier.rows}
    columns = tuple(each for column in section.columns for each in _twice(column))
    rows = tuple(_row(row, known.get(_identity(row, labels)), section) for row in section.rows)
    return replace(section, columns=columns, rows=rows)


def _identity(row: Row, labels: list[str]) -> tuple[Value, ...]:
    return tuple(str(row.get(name)) for name in labels)


def _twice(column: Column) -> tuple[Column, ...]:
    if column.kind not in (Kind.COUNTER, Kind.RATIO):
        return (column,)
    meaning = f"{column.meaning}, in the earlier window"
    return column, replace(column, key=column.key + BEFORE, meaning=meaning)


def _row(row: Row, earlier: Row | None, section: SectionResult) -> Row:
    was = {
        column.key + BEFORE: earlier.get(column.key) if earlier else None
        for column in section.columns
        if column.kind in (Kind.COUNTER, Kind.RATIO)
    }
    return row | was
