"""A look in Markdown: a comment for a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from perf.pgstat.results import Document, Finding, Kind, SectionResult, Status
from perf.report.database import values
from perf.report.database.text import summary
from perf.report.markdown import code, text


def render(document: Document) -> str:
    """The findings first, then each section with its rows."""
    parts = [*_head(document), *_findings(document), *_checks(document)]
    for section in document.sections:
        parts += _section(section)
    return "\n".join(parts) + "\n"


def _head(document: Document) -> Iterator[str]:
    server = document.server
    yield f"# {text(document.database)}, PostgreSQL {text(server['version'])}"
    yield ""
    yield text(values.window(document.window))
    for note in document.window.notes:
        yield f"- {text(note)}"
    yield ""
    yield f"**{text(summary(document))}**"
    yield ""


def _findings(document: Document) -> Iterator[str]:
    for finding in document.findings:
        yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[str]:
    yield f"## {finding.severity} {finding.check}: {code(str(finding.place))}"
    yield ""
    yield text(finding.what)
    yield ""
    if finding.place.model:
        yield f"- Model: {code(finding.place.model)}, {code(finding.place.file or 'no file')}"
    for rests_on in values.evidence(finding):
        yield f"- {text(rests_on)}"
    yield f"- Confidence: {finding.confidence}"
    for caveat in finding.caveats:
        yield f"- But: {text(caveat)}"
    yield ""
    if fix := finding.fix:
        for language, told in (("sql", fix.sql), ("sql", fix.undo_sql), ("python", fix.django)):
            if told:
                yield from _fenced(language, told)


def _fenced(language: str, told: str) -> Iterator[str]:
    # A longer fence than any in the text can't be ended by it.
    fence = "`" * max(3, 1 + max((len(run) for run in _ticks(told)), default=0))
    yield f"{fence}{language}"
    yield told
    yield fence
    yield ""


def _ticks(told: str) -> Iterator[str]:
    run = ""
    for each in told:
        run = run + each if each == "`" else ""
        if run:
            yield run


def _checks(document: Document) -> Iterator[str]:
    if document.checks:
        yield "## Checks"
        yield ""
        rows = (
            (code(check.id), text(check.title), text(values.outcome(check)))
            for check in document.checks
        )
        yield from _table(("check", "what", "came of it"), rows)


def _section(section: SectionResult) -> Iterator[str]:
    if not section.columns:
        return
    yield f"## {text(section.title)}"
    yield ""
    yield text(section.says)
    yield ""
    if section.reason and section.status not in (Status.OK, Status.FINDING):
        yield f"{section.status}: {text(section.reason)} {text(section.remedy or '')}".rstrip()
        yield ""
        return
    for note in section.notes:
        yield f"- {text(note)}"
    if section.notes:
        yield ""
    if section.rows:
        header = [each.key.replace("_", " ") for each in section.columns]
        rights = [each.kind is not Kind.LABEL for each in section.columns]
        rows = (
            [text(values.value(row.get(each.key), each.unit)) for each in section.columns]
            for row in section.rows
        )
        yield from _table(header, rows, rights)
    if section.hidden_rows:
        yield f"{section.hidden_rows:,} more rows."
        yield ""


def _table(
    header: Iterable[str], rows: Iterable[Iterable[str]], rights: Iterable[bool] = ()
) -> Iterator[str]:
    names = list(header)
    marks = ["---:" if right else "---" for right in rights] or ["---"] * len(names)
    for cells in (names, marks, *rows):
        yield f"| {' | '.join(cells)} |"
    yield ""
