"""Tables of a load test's page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from perf.load.results import (
    LoadRun,
    Quantile,
    Share,
    SloResult,
    SloVerdict,
    StepResult,
    TenantResult,
    Times,
)
from perf.report import figures
from perf.report.html_tables import badge, table
from perf.report.load import summary
from perf.report.markup import Child, Markup, element
from perf.report.parts import Tone

_SIGNS: Final = {SloVerdict.PASS: "✓", SloVerdict.FAIL: "✕", SloVerdict.INCONCLUSIVE: "?"}
_OF_STEPS: Final = (0.5, 0.95, 0.99, 0.999)
_ALWAYS: Final = (0.5, 0.95)
_FEW: Final = 5


def slo_badge(found: SloVerdict) -> Markup:
    return badge(_SIGNS[found], found.value, summary.TONE_OF_SLO[found])


def objectives(run: LoadRun) -> Markup:
    """Each objective and what became of it; a run that is not sound has judged none."""
    body = (_objective(run, each) for each in run.slos)
    header = ("objective", "verdict", "measured")
    return table("What must hold, and what was measured", header, body)


def _objective(run: LoadRun, found: SloResult) -> tuple[Child, ...]:
    name = element("code", found.text)
    if summary.is_judged(run, found):
        return name, slo_badge(found.verdict), found.measured
    return name, badge("–", summary.NOT_JUDGED, Tone.QUIET), figures.UNKNOWN


def percentiles(run: LoadRun) -> Markup:
    """Percentiles of the three clocks, of all requests."""
    total = run.total
    clocks = (total.latency, total.service, total.lag)
    header = ("", "latency", "service time", "lag")
    body: list[tuple[Child, ...]] = [
        (summary.quantile_name(each.q), *(quantile(clock.at(each.q)) for clock in clocks))
        for each in total.latency.quantiles
    ]
    body.append(("max", *(summary.milliseconds(each.max_ms) for each in clocks)))
    body.append(("mean", *(summary.milliseconds(each.mean_ms) for each in clocks)))
    return table(f"All {figures.plural(total.requests, 'request')}", header, body)


def quantile(found: Quantile | None) -> Child:
    """A percentile above its interval, or in a quiet tone what it would need."""
    if found is None or found.value_ms is None:
        lead, _, rest = summary.quantile(found).partition(" ")
        return element("span", lead, _small(rest), class_="quiet")
    value, _, bounds = summary.quantile(found).partition(" [")
    return value, _small(f"[{bounds}" if bounds else "")


def _small(text: str) -> Markup | None:
    return element("small", text, class_="range") if text else None


def steps(run: LoadRun) -> Markup:
    """All steps, and all of them together; percentiles that any of them has."""
    found = summary.steps(run)
    shown = [q for q in _OF_STEPS if q in _ALWAYS or any(_has(each.latency, q) for each in found)]
    names = map(summary.quantile_name, shown)
    header = ("step", "requests", "failed", *names, "max", "p50 of service time", "what failed")
    return table("Latency of each step", header, (_step(each, shown) for each in found))


def _has(times: Times, q: float) -> bool:
    found = times.at(q)
    return found is not None and found.value_ms is not None


def _step(found: StepResult, shown: Sequence[float]) -> tuple[Child, ...]:
    return (
        element("code", found.name) if found.name else summary.ALL,
        figures.count(found.requests),
        failed(found.failure_rate),
        *(quantile(found.latency.at(q)) for q in shown),
        summary.milliseconds(found.latency.max_ms),
        summary.value(found.service, 0.5),
        element("span", summary.failures(found.failures), class_="wrap"),
    )


def failed(share: float) -> Child:
    told = figures.percent(share)
    return element("b", told, class_="bad") if share else told


def tenants(run: LoadRun) -> Markup | None:
    """The tenants, the slowest first."""
    if not run.tenants:
        return None
    header = ("tenant", "requests", "p50", "p95", "p99", "max", "what failed")
    found = summary.slowest_tenants(run)
    is_ordered = summary.p95_ms(found[0]) is not None
    caption = "Tenants, the slowest first" if is_ordered else "Tenants"
    return table(caption, header, map(_tenant, found))


def _tenant(found: TenantResult) -> tuple[Child, ...]:
    return (
        element("code", found.tenant),
        figures.count(found.requests),
        *(quantile(found.latency.at(q)) for q in (0.5, 0.95, 0.99)),
        summary.milliseconds(found.latency.max_ms),
        element("span", summary.failures(found.failures), class_="wrap"),
    )


# The servers


def statements(run: LoadRun) -> Iterator[Markup | None]:
    """The dearest statements, and all of them folded away."""
    found = run.server.statements
    caption = "Statements, by their share of the time in PostgreSQL"
    yield _shares(caption, "calls", found[:_FEW])
    if len(found) > _FEW:
        title = f"All {figures.count(len(found))} statements"
        yield element("details", element("summary", title), _shares(title, "calls", found))


def servers(run: LoadRun) -> Iterator[Markup | None]:
    """A table of each other thing that was looked at, those of few columns."""
    side = run.server
    yield _processes(run)
    yield _timing(run)
    yield _shares("What backends did or waited for; CPU is no wait", "samples", side.waits)
    yield _counts("What pg_stat_database counted; what was 0 is left out", side.database)
    yield _counts(
        "What Redis counted, and its memory at the end; what was 0 is left out", side.redis_counts
    )


def server_notes(run: LoadRun) -> Iterator[Markup | None]:
    """The others, whose notes take the whole width."""
    side = run.server
    yield _shares("Input and output of PostgreSQL", "times", side.io)
    yield _shares("Commands of Redis, by their share of its time", "calls", side.redis)


def _counts(caption: str, found: Mapping[str, float]) -> Markup | None:
    body = [(name, _count(name, each)) for name, each in found.items() if each]
    return table(caption, ("figure", "value"), body) if body else None


def _count(name: str, found: float) -> str:
    """A number; of memory, that of bytes."""
    if "memory" in name or name.endswith("_bytes"):
        return figures.size_bytes(found)
    return figures.number(found)


def _processes(run: LoadRun) -> Markup | None:
    if not run.server.processes:
        return None
    body = (
        (each.name, figures.percent(each.cpu_share), figures.size_bytes(each.rss_bytes))
        for each in run.server.processes
    )
    return table("Processes", ("process", "of one processor", "memory at the end"), body)


def _timing(run: LoadRun) -> Markup | None:
    """What the server says of itself beside what the loader saw."""
    if not run.server.timing:
        return None
    parts = sorted(run.server.timing.items(), key=lambda each: -each[1])
    body = [(name, summary.milliseconds(each)) for name, each in parts]
    body.append(("service time, as the loader saw it", summary.milliseconds(_mean(run))))
    return table("Server-Timing, the mean of an answer", ("part", "mean"), body)


def _mean(run: LoadRun) -> float | None:
    return run.total.service.mean_ms


def _shares(caption: str, of: str, found: Sequence[Share]) -> Markup | None:
    """Columns that would be empty are left out."""
    if not found:
        return None
    header: list[Child] = ["", "share"]
    columns: list[list[Child]] = [list(map(_name, found))]
    columns.append([figures.percent(each.share) for each in found])
    if any(each.count for each in found):
        header.append(of)
        columns.append([figures.count(each.count) for each in found])
    if any(each.total_ms for each in found):
        header.append("time")
        columns.append([summary.milliseconds(each.total_ms) for each in found])
    if any(each.note for each in found):
        header.append("note")
        columns.append([each.note for each in found])
    return table(caption, header, zip(*columns, strict=True), words=True)


def _name(found: Share) -> Child:
    return element("span", found.name, class_="statement")
