"""A load test as one HTML page: styles and drawings are in it, nothing is fetched, no script
runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perf.load.results import LoadRun, ServerSide
from perf.report import figures
from perf.report.html_tables import table
from perf.report.load import html_tables as tables
from perf.report.load import plots_seconds, reading, spectrum, summary
from perf.report.load.summary import Standing
from perf.report.markup import Child, Markup, element
from perf.report.page import page

_SIGNS: Final = {
    Standing.PASS: "✓",
    Standing.FAIL: "✕",
    Standing.INCONCLUSIVE: "?",
    Standing.PARTIAL: "?",
    Standing.RIG_LIMITED: "✕",
    Standing.INVALID: "✕",
}
_TITLES: Final = {
    "objectives": "Objectives",
    "latency": "Latency",
    "seconds": "Second by second",
    "steps": "Steps",
    "tenants": "Tenants",
    "servers": "The servers meanwhile",
    "loader": "The loader",
    "about": "About this run",
    "reading": "How to read it",
}


def render(run: LoadRun) -> str:
    """The whole page. The figures of a run that is not sound are folded away, and not printed."""
    sections = [*_measured(run)]
    if not summary.is_sound(run):
        kept = element("summary", summary.KEPT)
        sections = [element("details", kept, sections, class_="screen", id="unsound")]
    body = element(
        "body",
        element("header", _header(run), _contents(run)),
        element(
            "main",
            _section("objectives", _objectives(run)),
            sections,
            _section("loader", _loader(run)),
            _section("about", _about(run)),
            _section("reading", _reading(run)),
        ),
        element("footer", element("p", f"Run {run.id}, version {run.version} of its document.")),
    )
    return page(f"Load test of {figures.moment(run.started_at)}", body)


def _section(key: str, children: Iterator[Child]) -> Markup:
    heading = element("h2", _TITLES[key], id=f"{key}-title")
    return element("section", heading, children, id=key, aria_labelledby=f"{key}-title")


def _header(run: LoadRun) -> Iterator[Markup | None]:
    standing = summary.standing(run)
    yield element("h1", "Load test")
    told = f"{_SIGNS[standing]} {summary.verdict(run)} " if standing in _SIGNS else None
    tone = summary.TONE_OF_STANDING[standing].value
    yield element("p", element("strong", told, class_=tone), summary.measured(run), class_="lead")
    for word, text, colour in summary.troubles(run):
        why = element("strong", f"{word.capitalize()}: ")
        yield element("p", why, text, class_=f"{colour.value} note-box")
    if run.note:
        yield element("p", run.note)
    of = summary.scenarios(run)
    against = f"Against {run.target}" + (f": {of}" if of else "")
    yield element("p", f"{against}. {summary.method(run)}.", class_="sub")


def _contents(run: LoadRun) -> Markup:
    """Links to what stands open; it is a long page."""
    measured = ("latency", "seconds", "steps", "tenants", "servers")
    keys = [*(measured if summary.is_sound(run) else ()), "loader", "about", "reading"]
    there = {"seconds": run.seconds, "tenants": run.tenants}
    links = (
        element("li", element("a", _TITLES[key], href=f"#{key}"))
        for key in ("objectives", *keys)
        if there.get(key, True)
    )
    return element("nav", element("ul", links), aria_label="Contents")


def _measured(run: LoadRun) -> Iterator[Markup]:
    yield _section("latency", _latency(run))
    if run.seconds:
        yield _section("seconds", _seconds(run))
    yield _section("steps", _steps(run))
    if run.tenants:
        yield _section("tenants", _tenants(run))
    yield _section("servers", _servers(run))


def _objectives(run: LoadRun) -> Iterator[Child]:
    if run.slos:
        yield tables.objectives(run)
    else:
        yield element("p", "None were set, so nothing passed or failed: see ", _slo(), ".")


def _slo() -> Markup:
    return element("code", '--slo "p99<300ms,fail<0.1%"')


def _latency(run: LoadRun) -> Iterator[Child]:
    yield _facts(run)
    caption = (
        "Each step to the right holds a tenth of the requests of the one before. Bars are "
        "intervals; where it is shaded fewer than ten requests are left, which is chance."
    )
    shown = (
        tables.percentiles(run),
        _figure(spectrum.of_clocks("spectrum", run), caption),
    )
    yield element("div", shown, class_="plots")


def _facts(run: LoadRun) -> Markup:
    total = run.total
    facts = (
        ("total requests", figures.count(total.requests)),
        ("successful requests", figures.count(total.successful)),
        ("failure rate", figures.percent(total.failure_rate)),
        ("what failed", summary.failures(total.failures)),
        ("good answers a second", figures.number(run.rate)),
        ("average response time", summary.milliseconds(total.latency.mean_ms)),
        ("p95 response time", summary.quantile(total.latency.at(0.95))),
    )
    told = (element("div", element("dt", name), element("dd", each)) for name, each in facts)
    return element("dl", told, class_="facts")


def _of_steps(run: LoadRun) -> str:
    if len(run.steps) > spectrum.STEPS:
        return f"Latency of the {spectrum.STEPS} steps that were asked for most."
    return "Latency of each step."


def _figure(drawn: Markup | None, caption: str) -> Markup | None:
    return element("figure", drawn, element("figcaption", caption)) if drawn else None


def _seconds(run: LoadRun) -> Iterator[Child]:
    many = plots_seconds.together(run)
    told = "All pictures have the same seconds below; the warm-up is shaded, and in no figure."
    if many > 1:
        told += f" Each point is of {many} seconds: the slowest of them, or their average rate."
    yield element("p", told)
    drawn = (
        _figure(
            plots_seconds.latency("seconds-latency", run),
            "Of the requests that were due in each second.",
        ),
        _figure(plots_seconds.rate("seconds-rate", run), "What was due, and what came back well."),
        _figure(
            plots_seconds.in_flight("seconds-flight", run),
            "At the end of each second. It grows where the service lags behind.",
        ),
        _figure(
            plots_seconds.processors("seconds-processors", run),
            "100% is one processor. Where latency rises with one of them, look there first.",
        ),
        _figure(
            plots_seconds.failures("seconds-failures", run),
            "By the second in which the request was due, without 429.",
        ),
        _figure(
            plots_seconds.lag("seconds-lag", run),
            "How late the loader was, at most. It is in the latency.",
        ),
    )
    yield element("div", drawn, class_="plots")


def _steps(run: LoadRun) -> Iterator[Child]:
    yield tables.steps(run)
    if drawn := _figure(spectrum.of_steps("spectrum-steps", run), _of_steps(run)):
        yield element("div", drawn, class_="plots")


def _tenants(run: LoadRun) -> Iterator[Child]:
    if told := summary.fairness(run):
        yield element("p", told)
    yield tables.tenants(run)


def _servers(run: LoadRun) -> Iterator[Child]:
    if run.server == ServerSide():
        yield element("p", "The servers were not watched.", class_="quiet")
        return
    if run.server.sentence:
        yield element("p", run.server.sentence, class_="lead")
    yield element("div", tables.servers(run), class_="plots")
    yield tables.server_notes(run)
    yield tables.statements(run)
    skipped = [element("li", f"Not watched: {each}") for each in run.server.skipped]
    if skipped:
        yield element("ul", skipped, class_="unsure")


def _loader(run: LoadRun) -> Iterator[Child]:
    yield element("p", summary.loader(run))


def _about(run: LoadRun) -> Iterator[Child]:
    if run.command:
        yield element("pre", run.command, tabindex="0", aria_label="Command")
    if run.environment:
        yield table("Environment", ("what", "is"), list(run.environment.items()), words=True)
    yield element("h3", "What it does not show")
    yield element("ul", (element("li", each) for each in reading.limits(run)))


def _reading(run: LoadRun) -> Iterator[Child]:
    terms = ((element("dt", term), element("dd", text)) for term, text in reading.how_to_read(run))
    yield element("dl", terms, class_="ways")
