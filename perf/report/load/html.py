"""A load test as one HTML page: styles and drawings are in it, nothing is fetched, no script
runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perf.load.results import LoadRun
from perf.report import figures
from perf.report.html_tables import badge, table
from perf.report.load import html_tables as tables
from perf.report.load import plots_seconds, reading, spectrum, summary
from perf.report.load.summary import Standing
from perf.report.markup import Child, Markup, element
from perf.report.page import page

_SIGNS: Final = {
    Standing.PASS: "✓",
    Standing.FAIL: "✕",
    Standing.INCONCLUSIVE: "?",
    Standing.NO_OBJECTIVES: "–",
    Standing.RIG_LIMITED: "✕",
    Standing.INVALID: "✕",
}


def render(run: LoadRun) -> str:
    """The whole page. The figures of a run that is not sound are folded away, and not printed."""
    sections = [*_measured(run)]
    if not summary.is_sound(run):
        kept = element("summary", summary.KEPT)
        sections = [element("details", kept, sections, class_="screen", id="unsound")]
    body = element(
        "body",
        element("header", _header(run)),
        element(
            "main",
            _section("objectives", "Objectives", _objectives(run)),
            sections,
            _section("loader", "The loader", _loader(run)),
            _section("about", "About this run", _about(run)),
            _section("reading", "How to read it", _reading(run)),
        ),
        element("footer", element("p", f"Run {run.id}, version {run.version} of its document.")),
    )
    return page(f"Load test of {figures.moment(run.started_at)}", body)


def _section(key: str, title: str, children: Iterator[Child]) -> Markup:
    heading = element("h2", title, id=f"{key}-title")
    return element("section", heading, children, id=key, aria_labelledby=f"{key}-title")


def _header(run: LoadRun) -> Iterator[Markup | None]:
    standing = summary.standing(run)
    yield element("h1", "What the service held")
    sign = badge(_SIGNS[standing], standing.value, summary.TONE_OF_STANDING[standing])
    yield element("p", sign, " ", summary.headline(run), class_="lead")
    for word, text, tone in summary.troubles(run):
        told = element("strong", f"{word.capitalize()}: ")
        yield element("p", told, text, class_=f"{tone.value} note-box")
    if summary.is_saturation(run):
        yield element("p", summary.SATURATION, class_="unsure note-box")
    if run.note:
        yield element("p", run.note)
    of = summary.scenarios(run)
    against = f"Against {run.target}" + (f": {of}" if of else "")
    yield element("p", f"{against}. {summary.method(run)}.", class_="sub")


def _measured(run: LoadRun) -> Iterator[Markup]:
    yield _section("latency", "Latency", _latency(run))
    if run.seconds:
        yield _section("seconds", "Second by second", _seconds(run))
    yield _section("steps", "Steps", _steps(run))
    if run.tenants:
        yield _section("tenants", "Tenants", _tenants(run))
    yield _section("servers", "The servers meanwhile", _servers(run))


def _objectives(run: LoadRun) -> Iterator[Child]:
    if run.slos:
        yield tables.objectives(run)
    else:
        yield element("p", "None were set, so nothing passed or failed: see ", _slo(), ".")


def _slo() -> Markup:
    return element("code", '--slo "p99<300ms,fail<0.1%"')


def _latency(run: LoadRun) -> Iterator[Child]:
    yield _facts(run)
    yield tables.percentiles(run)
    caption = (
        "Each step to the right holds a tenth of the requests of the one before. Bars are "
        "intervals; where it is shaded fewer than ten requests are left, which is chance."
    )
    drawn = (
        _figure(spectrum.of_clocks("spectrum", run), caption),
        _figure(spectrum.of_steps("spectrum-steps", run), _of_steps(run)),
    )
    yield element("div", drawn, class_="plots")


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
            "100 % is one processor. What is at its limit when latency rises is the cause.",
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


def _tenants(run: LoadRun) -> Iterator[Child]:
    if told := summary.fairness(run):
        yield element("p", told)
    yield tables.tenants(run)


def _servers(run: LoadRun) -> Iterator[Child]:
    if run.server.sentence:
        yield element("p", run.server.sentence, class_="lead")
    found = [each for each in tables.servers(run) if each]
    yield from found or [element("p", "Nobody looked at the servers.", class_="quiet")]
    skipped = [element("li", f"Not looked at: {each}.") for each in run.server.skipped]
    if skipped:
        yield element("ul", skipped, class_="unsure")


def _loader(run: LoadRun) -> Iterator[Child]:
    yield element("p", summary.loader(run))
    if run.rig.limited:
        yield element("ul", (element("li", each) for each in run.rig.limited), class_="bad")


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
