"""The highest rate whose objectives hold, and how latency bends up beyond it: as text, Markdown and
one HTML page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from perf.load.results import CapacityPoint, CapacityResult, Quantile, SloVerdict
from perf.report import figures, markdown, svg
from perf.report.html_tables import badge, table
from perf.report.load import marks
from perf.report.load.html_tables import quantile, slo_badge
from perf.report.load.summary import TONE_OF_SLO, milliseconds
from perf.report.load.summary import quantile as quantile_text
from perf.report.markup import Child, Markup, element
from perf.report.page import page
from perf.report.painting import Look, paint
from perf.report.parts import Cell, Column, Heading, Line, Part, Tone
from perf.report.parts import table as text_table
from perf.report.scales import drawable, linear_scale, log_scale
from perf.report.svg import HEIGHT, LEFT, TOP, WIDTH, Frame, Label

PLAIN: Final = Look()
LIMITED: Final = "rig-limited"
_HEADER: Final = ("rate", "good answers", "p99", "verdict")
_WAYS: Final = {SloVerdict.PASS: 2, SloVerdict.INCONCLUSIVE: 4, SloVerdict.FAIL: 1}


def render(found: CapacityResult, look: Look = PLAIN) -> str:
    """The search as text, for a terminal or a log."""
    return paint(_parts(found), look)


def to_markdown(found: CapacityResult) -> str:
    """The search as a comment."""
    lines = [f"### {markdown.text(headline(found))}", ""]
    lines += [f"- ⚠️ {markdown.text(each)}" for each in found.complaints]
    lines += ["", *markdown.rows(_HEADER, map(_row, ascending(found)))]
    return "\n".join(lines) + "\n"


def to_html(found: CapacityResult) -> str:
    """The search as a page, with the knee drawn."""
    body = element("body", element("header", _header(found)), element("main", _main(found)))
    return page("How much the service holds", body)


def headline(found: CapacityResult) -> str:
    """The rate, in a sentence; with what is not known of it."""
    objectives = " and ".join(found.slos) or "the objectives"
    if found.holds is None:
        return f"No rate that was tried holds {objectives}."
    told = f"{objectives} hold at {figures.number(found.holds)} a second"
    if found.fails is None:
        return f"{told}; no rate that was tried failed, so it may be more."
    return f"{told}, and not at {figures.number(found.fails)}."


def ascending(found: CapacityResult) -> list[CapacityPoint]:
    return sorted(found.points, key=lambda each: each.rate)


def _row(found: CapacityPoint) -> tuple[str, ...]:
    return (
        f"{figures.number(found.rate)}/s",
        f"{figures.number(found.done)}/s",
        figures.UNKNOWN if found.limited else quantile_text(found.p99),
        verdict(found),
    )


def verdict(found: CapacityPoint) -> str:
    """The verdict's word; of a point that says nothing of the service, that word."""
    return LIMITED if found.limited else found.verdict.value


def _parts(found: CapacityResult) -> Iterator[Part]:
    yield Line(headline(found), Tone.STRONG)
    yield from (Line(each, Tone.UNSURE, "mind") for each in found.complaints)
    yield Heading("Rates")
    columns = (Column(each, right=each != "verdict") for each in _HEADER)
    yield text_table(columns, map(_cells, ascending(found)))


def _cells(found: CapacityPoint) -> Iterator[Cell | str]:
    *plain, word = _row(found)
    yield from plain
    yield Cell(word, Tone.QUIET if found.limited else TONE_OF_SLO[found.verdict])


def _header(found: CapacityResult) -> Iterator[Child]:
    yield element("h1", "How much the service holds")
    yield element("p", headline(found), class_="lead")
    for each in found.complaints:
        yield element("p", each, class_="unsure note-box")


def _main(found: CapacityResult) -> Iterator[Child]:
    if drawn := plot("knee", found):
        caption = (
            "Each mark is a run at that rate, with its interval. Where p99 bends up is the knee: "
            "beyond it requests come faster than the service answers."
        )
        figure = element("figure", drawn, element("figcaption", caption))
        yield element("div", figure, class_="plots")
    yield table("Rates that were tried", _HEADER, map(_told, ascending(found)))


def _told(found: CapacityPoint) -> tuple[Child, ...]:
    rate, done, _, word = _row(found)
    if found.limited:
        return rate, done, figures.UNKNOWN, badge("–", word, Tone.QUIET)
    return rate, done, quantile(found.p99), slo_badge(found.verdict)


# The drawing


def plot(key: str, found: CapacityResult) -> Markup | None:
    """p99 over the rate, a marker for each verdict; none where no rate has a p99."""
    points = [each for each in ascending(found) if _has_place(each)]
    if not points:
        return None
    frame = _frame(points)
    described = ", ".join(
        f"{milliseconds(_p99(each).value_ms)} at {figures.number(each.rate)} a second, "
        f"{verdict(each)}"
        for each in points
    )
    return svg.drawing(
        key,
        "p99 over the rate",
        described,
        svg.axes(frame, "arrivals a second", "p99 (log)", _ticks(frame), milliseconds),
        _holds(frame, found),
        svg.path(
            [frame.at(each.rate, _p99(each).value_ms or 0.0) for each in points], "curve faint", 0
        ),
        (_mark(frame, each) for each in points),
        svg.end_labels(frame, _legend(frame, points)),
    )


def _has_place(found: CapacityPoint) -> bool:
    is_known = math.isfinite(found.rate) and found.rate >= 0 and not found.limited
    return bool(is_known and found.p99 and drawable(found.p99.value_ms))


def _p99(found: CapacityPoint) -> Quantile:
    return found.p99 or Quantile(0.99, None)


def _frame(points: Sequence[CapacityPoint]) -> Frame:
    right = WIDTH - svg.right_margin(_WAYS)
    values = [value for each in points for value in marks.ends(_p99(each))]
    x = linear_scale(0.0, max(each.rate for each in points) * 1.05, LEFT, right)
    return Frame(x, log_scale(values, HEIGHT - svg.BOTTOM, TOP))


def _ticks(frame: Frame) -> list[tuple[float, str]]:
    return [(each, figures.number(each)) for each in frame.x.ticks()]


def _holds(frame: Frame, found: CapacityResult) -> Markup:
    """Up to where the objectives hold."""
    if found.holds is None or not frame.x.holds(found.holds):
        return Markup()
    x = frame.x.at(found.holds)
    return svg.path([(x, frame.top), (x, frame.bottom)], "payoff", _WAYS[SloVerdict.PASS])


def _mark(frame: Frame, found: CapacityPoint) -> Markup:
    return marks.quantile(frame, found.rate, _p99(found), _WAYS[found.verdict], svg.MARKER)


def _legend(frame: Frame, points: Sequence[CapacityPoint]) -> Iterator[Label]:
    """What the markers mean, each at its highest."""
    for each, way in _WAYS.items():
        places = [
            frame.y.at(_p99(point).value_ms or 0.0) for point in points if point.verdict is each
        ]
        if places:
            yield Label(each.value, min(places), way)
