"""A look as one HTML page: nothing is fetched, no script runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from perf.pgstat.results import (
    LINES,
    SQL,
    CheckResult,
    Document,
    Finding,
    Kind,
    SectionResult,
    Series,
    Status,
)
from perf.report.database import plots, values
from perf.report.database.text import summary
from perf.report.html_tables import badge, table
from perf.report.markup import Child, Markup, element
from perf.report.page import page

LONG: Final = (SQL, LINES)
_SIGNS: Final = {
    Status.OK: "✓",
    Status.FINDING: "✕",
    Status.SKIPPED: "–",
    Status.INSUFFICIENT: "?",
    Status.ERROR: "!",
}


def render(document: Document, drawn: Iterable[Series] = ()) -> str:
    """The whole page, with plots of these series."""
    body = element(
        "body",
        element("header", _header(document)),
        element("main", plots.plots(drawn), _content(document), class_="many-columns"),
        element("footer", element("p", f"Schema {document.schema}, {document.generated_at}.")),
    )
    title = f"{document.database}, {values.moment(document.generated_at)}"
    return page(title, body)


def message(text: str) -> str:
    """A page that says why there is none."""
    return page("No look", element("body", element("p", text, class_="note-box unsure")))


def _content(document: Document) -> Iterator[Child]:
    if document.findings:
        yield element("section", _findings(document.findings), id="findings")
    if document.checks:
        yield element("section", _checks(document.checks), id="checks")
    for section in document.sections:
        if section.columns:
            yield element("section", _section(section), id=section.name)


def _header(document: Document) -> Iterator[Child]:
    server, role = document.server, document.capabilities["role"]
    yield element("h1", f"What PostgreSQL says of {document.database}")
    yield element("p", summary(document), class_="lead")
    yield element(
        "p",
        f"PostgreSQL {server['version']}, seen as {role}. {values.window(document.window)}",
        class_="sub",
    )
    yield _list(document.window.notes)


def _list(items: Iterable[str]) -> Markup | None:
    told = [element("li", each) for each in items]
    return element("ul", told, class_="unsure") if told else None


def _findings(found: Iterable[Finding]) -> Iterator[Child]:
    yield element("h2", "Findings")
    for each in found:
        yield element("article", _finding(each))


def _finding(finding: Finding) -> Iterator[Child]:
    tone = values.TONE_OF_SEVERITY[finding.severity]
    yield element(
        "h3",
        badge("●", finding.severity, tone),
        f" {finding.check} ",
        element("code", str(finding.place)),
    )
    yield element("p", finding.what)
    if finding.place.model:
        where = f"{finding.place.model}, {finding.place.file or 'no file'}"
        yield element("p", element("code", where), class_="sub")
    rests_on = [*values.evidence(finding), f"confidence {finding.confidence}"]
    yield element("p", "; ".join(rests_on), class_="sub")
    yield _list(finding.caveats)
    if fix := finding.fix:
        for name, told in (("SQL", fix.sql), ("Undo", fix.undo_sql), ("Django", fix.django)):
            if told:
                yield element("h4", name)
                yield element("div", element("pre", told, tabindex="0"), class_="wide")


def _checks(checks: Iterable[CheckResult]) -> Iterator[Child]:
    yield element("h2", "Checks")
    yield table(
        "What each check says",
        ("check", "what", "came of it", "what helps"),
        [
            (
                check.id,
                check.title,
                badge(
                    _SIGNS[check.status],
                    values.outcome(check),
                    values.TONE_OF_STATUS[check.status],
                ),
                check.remedy or "",
            )
            for check in checks
        ],
        words=True,
    )


def _section(section: SectionResult) -> Iterator[Child]:
    yield element("h2", section.title)
    yield element("p", section.says)
    if section.reason and section.status not in (Status.OK, Status.FINDING):
        yield element("p", f"{section.status}: {section.reason}", class_="caveat")
        yield element("p", element("code", section.remedy)) if section.remedy else None
        return
    yield _list(section.notes)
    if not section.rows:
        yield element("p", "No rows.", class_="quiet")
        return
    # What is long stands last, where it is not in the way of the figures.
    columns = sorted(section.columns, key=lambda each: each.unit in LONG)
    yield table(
        f"{len(section.rows):,} rows" + _hidden(section),
        [
            element("span", each.key.replace("_", " "), title=f"{each.meaning} ({each.source})")
            for each in columns
        ],
        [[_cell(row.get(each.key), each.unit) for each in columns] for row in section.rows],
        words=any(each.kind is Kind.LABEL and each.unit == "text" for each in section.columns),
    )


def _cell(found: Any, unit: str) -> Child:
    if unit == SQL and found:
        return element("code", str(found))
    if isinstance(found, list):
        return [element("div", str(each)) for each in found] or values.value(None, unit)
    return values.value(found, unit)


def _hidden(section: SectionResult) -> str:
    return f", {section.hidden_rows:,} more are not shown" if section.hidden_rows else ""
