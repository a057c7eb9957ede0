"""Two load tests beside each other, as text, Markdown and one HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perf.load.results import Change, LoadComparison, LoadDifference
from perf.report import figures, markdown
from perf.report.html_tables import badge, table
from perf.report.load.summary import ALL, milliseconds
from perf.report.markup import Child, element
from perf.report.page import page
from perf.report.painting import Look, paint
from perf.report.parts import Cell, Column, Heading, Line, Part, Tone
from perf.report.parts import table as text_table

PLAIN: Final = Look()
TONES: Final = {
    Change.BETTER: Tone.GOOD,
    Change.WORSE: Tone.BAD,
    Change.SAME: Tone.SAME,
    Change.UNDECIDED: Tone.UNSURE,
}
_SIGNS: Final = {
    Change.BETTER: "▲",
    Change.WORSE: "▼",
    Change.SAME: "=",
    Change.UNDECIDED: "?",
}
_HEADER: Final = ("step", "figure", "before", "after", "after : before", "verdict")
_NOT_ALIKE: Final = "Not alike, which may be the reason for a difference"


def render(found: LoadComparison, look: Look = PLAIN) -> str:
    """The comparison as text, for a terminal or a log."""
    return paint(_parts(found), look)


def to_markdown(found: LoadComparison) -> str:
    """The comparison as a comment."""
    lines = [f"### {markdown.text(headline(found))}", "", f"{markdown.text(_sides(found))}", ""]
    lines += [f"- ⚠️ {_NOT_ALIKE}: {markdown.text(each)}" for each in found.unlike]
    lines += [f"- ⚠️ {markdown.text(each)}" for each in found.complaints]
    if found.unlike or found.complaints:
        lines.append("")
    body = (
        (markdown.code(step), markdown.text(what), *rest)
        for step, what, *rest in map(_row, found.differences)
    )
    lines += markdown.rows(_HEADER, body, right=2)
    return "\n".join(lines) + "\n"


def to_html(found: LoadComparison) -> str:
    """The comparison as a page."""
    body = element("body", element("header", _header(found)), element("main", _main(found)))
    return page("Two load tests", body)


def headline(found: LoadComparison) -> str:
    """How many figures became what, in a sentence."""
    verdicts = [each.verdict for each in found.differences]
    told = [f"{verdicts.count(each)} {each.value}" for each in Change if each in verdicts]
    return f"Of {figures.plural(len(verdicts), 'figure')}: {', '.join(told) or 'none'}."


def _sides(found: LoadComparison) -> str:
    return f"Before: {', '.join(found.before)}. After: {', '.join(found.after)}."


def _row(found: LoadDifference) -> tuple[str, ...]:
    return (
        found.step or ALL,
        found.what,
        _value(found, found.before),
        _value(found, found.after),
        figures.ratio_interval(found.ratio),
        found.verdict.value,
    )


def _value(found: LoadDifference, value: float | None) -> str:
    """Rates are plain numbers, all else is a time."""
    if found.what == "rate":
        return f"{figures.number(value)}/s" if value is not None else figures.UNKNOWN
    return milliseconds(value)


def _parts(found: LoadComparison) -> Iterator[Part]:
    yield Line(headline(found), Tone.STRONG)
    yield Line(_sides(found), Tone.QUIET)
    yield from (Line(each, Tone.UNSURE, "not alike") for each in found.unlike)
    yield from (Line(each, Tone.UNSURE, "mind") for each in found.complaints)
    yield Heading("Figures")
    columns = (Column(each, may_shrink=each == "step") for each in _HEADER)
    yield text_table(columns, map(_cells, found.differences))


def _cells(found: LoadDifference) -> Iterator[Cell | str]:
    *plain, verdict = _row(found)
    yield from plain
    yield Cell(verdict, TONES[found.verdict])


def _header(found: LoadComparison) -> Iterator[Child]:
    yield element("h1", "Before and after")
    yield element("p", headline(found), class_="lead")
    for each in found.unlike:
        yield element("p", element("strong", f"{_NOT_ALIKE}: "), each, class_="unsure note-box")
    for each in found.complaints:
        yield element("p", each, class_="unsure note-box")
    yield element("p", _sides(found), class_="sub")


def _main(found: LoadComparison) -> Iterator[Child]:
    told = "Below 1, a time is shorter after. In brackets is the interval of the ratio."
    yield element("p", told)
    yield table("Figures before and after", _HEADER, map(_told, found.differences))


def _told(found: LoadDifference) -> tuple[Child, ...]:
    *plain, verdict = _row(found)
    return (*plain, badge(_SIGNS[found.verdict], verdict, TONES[found.verdict]))
