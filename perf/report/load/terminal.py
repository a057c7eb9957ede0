"""A load test on a terminal or in a log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perf.load.results import LoadRun, SloResult, StepResult, TenantResult
from perf.report import figures, svg
from perf.report.load import summary
from perf.report.painting import Look, paint
from perf.report.parts import Cell, Column, Heading, Line, Part, Table, Tone, table

PLAIN: Final = Look()
SHOWN: Final = (0.5, 0.95, 0.99)
FEW: Final = 5  # statements and tenants; the page has all
LONGEST: Final = 120  # letters of a statement


def render(run: LoadRun, look: Look = PLAIN) -> str:
    """The whole run. `Look.of(stream)` suits a stream; the default has no escape codes, and each
    line holds to its width. A run that is not sound has no figures here."""
    return paint(_parts(run), look)


def _parts(run: LoadRun) -> Iterator[Part]:
    yield from _head(run)
    yield from _objectives(run)
    if summary.is_sound(run):
        yield from _latency(run)
        yield from _tenants(run)
        yield from _servers(run)
    yield from _loader(run)
    yield from _next(run)


def _head(run: LoadRun) -> Iterator[Part]:
    yield Line(summary.headline(run), summary.TONE_OF_STANDING[summary.standing(run)])
    for word, text, tone in summary.troubles(run):
        yield Line(text, tone, word)
    if run.note:
        yield Line(run.note)
    yield Line(f"Against {run.target}; {summary.scenarios(run) or 'no scenario'}", Tone.QUIET)
    yield Line(summary.method(run), Tone.QUIET)


def _objectives(run: LoadRun) -> Iterator[Part]:
    if not run.slos:
        return
    yield Heading("Objectives")
    columns = (Column("verdict"), Column("objective"), Column("measured", may_shrink=True))
    yield table(columns, (_objective(run, each) for each in run.slos))


def _objective(run: LoadRun, found: SloResult) -> tuple[Cell | str, ...]:
    if not summary.is_judged(run, found):
        return summary.NOT_JUDGED, found.text, figures.UNKNOWN
    tone = summary.TONE_OF_SLO[found.verdict]
    return Cell(found.verdict.value, tone), found.text, found.measured


def _latency(run: LoadRun) -> Iterator[Part]:
    yield Heading("Latency, from the moment when a request was due")
    yield _table("step", summary.steps(run))
    if run.total.failures:
        yield Line(summary.failures(run.total.failures), key="Failures")


def _table(of: str, found: list[StepResult]) -> Table:
    quantiles = (Column(summary.quantile_name(q)) for q in SHOWN)
    columns = (
        Column(of, may_shrink=True),
        Column("requests", right=True),
        Column("failed", right=True),
        *quantiles,
        Column("max", right=True),
    )
    return table(columns, map(_step, found))


def _step(found: StepResult) -> Iterator[Cell | str]:
    yield summary.step_name(found)
    yield figures.count(found.requests)
    failed = figures.percent(found.failure_rate)
    yield Cell(failed, Tone.BAD if found.failed else Tone.PLAIN)
    yield from (summary.quantile(found.latency.at(q)) for q in SHOWN)
    yield summary.milliseconds(found.latency.max_ms)


def _tenants(run: LoadRun) -> Iterator[Part]:
    if not run.tenants:
        return
    yield Heading("Tenants")
    if told := summary.fairness(run):
        yield Line(told)
    columns = (Column("tenant", may_shrink=True), Column("requests", right=True), Column("p95"))
    known = [each for each in summary.slowest_tenants(run) if summary.p95_ms(each) is not None]
    if known:
        yield table(columns, map(_tenant, known[:FEW]))
    if not known:
        many = figures.plural(len(run.tenants), "tenant")
        yield Line(f"None of {many} has enough requests for a p95.", Tone.QUIET)
    elif rest := len(run.tenants) - min(len(known), FEW):
        yield Line(
            f"{figures.plural(rest, 'other')}, quicker or with too few requests.", Tone.QUIET
        )


def _tenant(found: TenantResult) -> tuple[str, ...]:
    return (
        found.tenant,
        figures.count(found.requests),
        summary.quantile(found.latency.at(0.95)),
    )


def _servers(run: LoadRun) -> Iterator[Part]:
    side = run.server
    if not (side.sentence or side.processes or side.statements or side.skipped):
        return
    yield Heading("Servers")
    if side.sentence:
        yield Line(side.sentence)
    for process in side.processes:
        use = f"{figures.percent(process.cpu_share)} of a processor"
        yield Line(f"{use}, {figures.size_bytes(process.rss_bytes)}", key=process.name)
    for statement in side.statements[:FEW]:
        calls = figures.plural(statement.count, "call")
        text = svg.shortened(statement.name, LONGEST)
        yield Line(f"{text} ({calls})", key=figures.percent(statement.share))
    yield from (Line(each, Tone.QUIET, "not watched") for each in side.skipped)


def _loader(run: LoadRun) -> Iterator[Part]:
    yield Heading("Loader")
    yield Line(summary.loader(run))


def _next(run: LoadRun) -> Iterator[Part]:
    show = f"manage.py loadtest history --show {run.id}"
    yield Heading("Next")
    yield Line(f"Draw it: {show} --html load.html", key="-")
    if summary.is_sound(run) and run.ended_at:
        beside = f"manage.py loadtest compare {run.id} last"
        yield Line(f"After the next run, set that beside it: {beside}", key="-")
