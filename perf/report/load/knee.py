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
from perf.report.load import marks, search
from perf.report.load.html_tables import quantile, slo_badge
from perf.report.load.summary import TONE_OF_SLO, milliseconds
from perf.report.markup import Child, Markup, element, join
from perf.report.page import page
from perf.report.painting import Look, paint
from perf.report.parts import Cell, Column, Heading, Line, Part, Tone
from perf.report.parts import table as text_table
from perf.report.scales import drawable, linear_scale, log_scale
from perf.report.svg import HEIGHT, LEFT, TOP, WIDTH, Frame, Label

PLAIN: Final = Look()
_WAYS: Final = {SloVerdict.PASS: 2, SloVerdict.INCONCLUSIVE: 4, SloVerdict.FAIL: 1}
_APART: Final = 9.0  # between the marks of two tries of one rate
_CAPTION: Final = (
    "Each mark is a try, with its interval; a hollow one holds although the loader was late. The "
    "line goes through the try of each rate that counts. Where it bends up is the knee: beyond it "
    "requests come faster than the service answers. Upright, dotted: the highest rate that holds"
)


def render(found: CapacityResult, look: Look = PLAIN) -> str:
    """The search as text, for a terminal or a log."""
    return paint(_parts(found), look)


def to_markdown(found: CapacityResult) -> str:
    """The search as a comment."""
    lines = [f"### {markdown.text(search.headline(found))}", ""]
    lines += [f"- ⚠️ {markdown.text(each)}" for each in found.complaints]
    header, body = map(markdown.text, search.header(found)), search.ascending(found)
    rows = (tuple(map(markdown.text, search.row(found, each))) for each in body)
    lines += ["", *markdown.rows(tuple(header), rows)]
    if told := search.advice(found):
        lines += ["", markdown.text(told)]
    return "\n".join(lines) + "\n"


def to_html(found: CapacityResult) -> str:
    """The search as a page, with the knee drawn."""
    body = element("body", element("header", _header(found)), element("main", _main(found)))
    return page("How much the service holds", body)


def _parts(found: CapacityResult) -> Iterator[Part]:
    yield Line(search.headline(found), Tone.STRONG)
    yield from (Line(each, Tone.UNSURE, "mind") for each in found.complaints)
    yield Heading("Rates")
    header = search.header(found)
    columns = (Column(x, right=at != 1, may_shrink=at > 2) for at, x in enumerate(header))
    yield text_table(columns, (_cells(found, each) for each in search.ascending(found)))
    if told := search.advice(found):
        yield Line("")
        yield Line(told, Tone.STRONG)


def _cells(found: CapacityResult, point: CapacityPoint) -> Iterator[Cell | str]:
    rate, word, *plain = search.row(found, point)
    yield rate
    yield Cell(word, Tone.QUIET if point.limited else TONE_OF_SLO[point.verdict])
    yield from plain


# The page


def _header(found: CapacityResult) -> Iterator[Child]:
    yield element("h1", "How much the service holds")
    yield element("p", search.headline(found), class_="lead")
    for each in found.complaints:
        yield element("p", each, class_="unsure note-box")
    if told := search.advice(found):
        yield element("p", told)


def _main(found: CapacityResult) -> Iterator[Child]:
    left_out = search.not_drawn(found)
    if drawn := plot("knee", found):
        caption = f"{_CAPTION}{_limit_told(found)}. {left_out}"
        figure = element("figure", drawn, element("figcaption", caption))
        yield element("div", figure, class_="plots")
    header = (*search.header(found), "run")
    body = (_told(found, each) for each in search.ascending(found))
    yield table("Rates that were tried", header, body)
    if found.id:
        at = f"{found.target}, {figures.moment(found.ended_at)}"
        of = f"Search {found.id} of {search.what(found)} at {at}: "
        yield element("p", of, element("code", found.command), class_="sub")


def _limit_told(found: CapacityResult) -> str:
    if found.limit_ms is None:
        return ""
    return f"; level, dotted: the limit of {found.drawn}, {milliseconds(found.limit_ms)}"


def _told(found: CapacityResult, point: CapacityPoint) -> tuple[Child, ...]:
    rate, _, done, *_ = search.row(found, point)
    drawn = None if point.limited else point.latency
    return (
        rate,
        _badges(found, point),
        done,
        *(_objective(point, each) for each in found.slos),
        *(() if found.limit_ms is not None else (quantile(drawn),)),
        element("code", point.run) if point.run else figures.UNKNOWN,
    )


def _objective(point: CapacityPoint, slo: str) -> Child:
    """What was measured above its interval, in bold where it did not hold."""
    told, amiss = search.measured(point, slo)
    value, _, bounds = told.partition(" [")
    small = element("small", f"[{bounds}", class_="range") if bounds else None
    if not amiss:
        return value, small
    style = "bad" if amiss == "fails" else "unsure"
    return element("b", f"{value} {amiss}", class_=style), small


def _badges(found: CapacityResult, point: CapacityPoint) -> Child:
    if point.limited:
        return badge("–", search.LIMITED, Tone.QUIET)
    _, _, more = search.verdict(found, point).partition(", ")
    return slo_badge(point.verdict), element("small", f" {more}") if more else None


# The drawing


def plot(key: str, found: CapacityResult) -> Markup | None:
    """The percentile over the rate, a marker for each verdict; none where no rate has one."""
    points = [each for each in search.ascending(found) if _has_place(each)]
    if not points:
        return None
    frame = _frame(found, points)
    described = ", ".join(
        f"{milliseconds(_latency(each).value_ms)} at {figures.number(each.rate)} a second, "
        f"{search.verdict(found, each)}"
        for each in points
    )
    name = f"{found.drawn} over the rate"
    y_title = f"{found.drawn} (log)"
    return svg.drawing(
        key,
        name,
        described,
        svg.axes(frame, f"{found.of} a second", y_title, _ticks(frame), milliseconds),
        _limits(frame, found),
        svg.path(list(_line(frame, points)), "curve faint", 0),
        (_mark(frame, each, at) for each, at in _placed(found, points)),
        svg.end_labels(frame, _legend(frame, points)),
    )


def _has_place(found: CapacityPoint) -> bool:
    is_known = math.isfinite(found.rate) and found.rate >= 0 and not found.limited
    return bool(is_known and found.latency and drawable(found.latency.value_ms))


def _latency(found: CapacityPoint) -> Quantile:
    return found.latency or Quantile(0.99, None)


def _frame(found: CapacityResult, points: Sequence[CapacityPoint]) -> Frame:
    right = WIDTH - svg.right_margin(_WAYS)
    values = [value for each in points for value in marks.ends(_latency(each))]
    if found.limit_ms is not None and drawable(found.limit_ms):
        values.append(found.limit_ms)
    x = linear_scale(0.0, max(each.rate for each in points) * 1.05, LEFT, right)
    return Frame(x, log_scale(values, HEIGHT - svg.BOTTOM, TOP))


def _ticks(frame: Frame) -> list[tuple[float, str]]:
    return [(each, figures.number(each)) for each in frame.x.ticks()]


def _limits(frame: Frame, found: CapacityResult) -> Markup:
    """Up to which rate the objectives hold, and up to where the percentile may go."""
    drawn = []
    if found.holds is not None and frame.x.holds(found.holds):
        x = frame.x.at(found.holds)
        drawn.append(
            svg.path([(x, frame.top), (x, frame.bottom)], "payoff", _WAYS[SloVerdict.PASS])
        )
    if found.limit_ms is not None and frame.y.holds(found.limit_ms):
        y = frame.y.at(found.limit_ms)
        line = [(frame.left, y), (frame.right, y)]
        drawn.append(svg.path(line, "payoff", _WAYS[SloVerdict.FAIL]))
        name = f"limit {milliseconds(found.limit_ms)}"
        drawn.append(svg.text((frame.left + 4, y - 4), name, "tick"))
    return join(drawn)


def _line(frame: Frame, points: Sequence[CapacityPoint]) -> Iterator[svg.Point]:
    """Through the try of each rate that counts."""
    for each in search.accepted(points).values():
        yield frame.at(each.rate, _latency(each).value_ms or 0.0)


def _placed(
    found: CapacityResult, points: Sequence[CapacityPoint]
) -> Iterator[tuple[CapacityPoint, float]]:
    """Each try and how far its mark stands beside its rate: the one that counts is at it."""
    accepted = search.accepted(points)
    for each in points:
        behind = search.attempt(found, accepted[each.rate]) - search.attempt(found, each)
        yield each, -_APART * behind


def _mark(frame: Frame, found: CapacityPoint, aside: float) -> Markup:
    a_pixel = (frame.x.high - frame.x.low) / (frame.x.end - frame.x.start)
    style = "marker hollow" if found.late else "marker"
    x = found.rate + aside * a_pixel
    return marks.quantile(frame, x, _latency(found), _WAYS[found.verdict], svg.MARKER, style)


def _legend(frame: Frame, points: Sequence[CapacityPoint]) -> Iterator[Label]:
    """What the markers mean, each at its highest."""
    for each, way in _WAYS.items():
        places = [
            frame.y.at(_latency(point).value_ms or 0.0) for point in points if point.verdict is each
        ]
        if places:
            yield Label(each.value, min(places), way)
