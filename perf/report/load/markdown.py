"""A load test in Markdown: a comment for a pull request, or a part of a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perf.load.results import LoadRun, SloResult, SloVerdict, StepResult
from perf.report import figures
from perf.report.load import summary
from perf.report.markdown import code, rows, text
from perf.report.parts import Tone

SHOWN: Final = (0.5, 0.95, 0.99, 0.999)
_MARKS: Final = {SloVerdict.PASS: "✅", SloVerdict.FAIL: "❌", SloVerdict.INCONCLUSIVE: "❔"}


def render(run: LoadRun) -> str:
    """The run as a comment: what it says in full view, the method to fold out. A run that is not
    sound has no figures here."""
    sections = [_head(run), _objectives(run)]
    if summary.is_sound(run):
        sections += [_latency(run), _tenants(run), _servers(run)]
    sections.append(_about(run))
    return "\n\n".join("\n".join(each) for each in map(list, sections) if each) + "\n"


def _head(run: LoadRun) -> Iterator[str]:
    yield f"### {text(summary.headline(run))}"
    if run.note:
        yield f"\n{text(run.note)}"
    found = list(summary.troubles(run))
    if found:
        yield ""
    for word, why, tone in found:
        mark = "❌" if tone is Tone.BAD else "⚠️"
        yield f"- {mark} {word}: {text(why)}"


def _objectives(run: LoadRun) -> Iterator[str]:
    if run.slos:
        body = (_objective(run, each) for each in run.slos)
        yield from rows(("objective", "verdict", "measured"), body, right=3)


def _objective(run: LoadRun, found: SloResult) -> tuple[str, ...]:
    if not summary.is_judged(run, found):
        return code(found.text), summary.NOT_JUDGED, figures.UNKNOWN
    mark = _MARKS[found.verdict]
    return code(found.text), f"{mark} {found.verdict.value}", text(found.measured)


def _latency(run: LoadRun) -> Iterator[str]:
    names = map(summary.quantile_name, SHOWN)
    header = ("step", "requests", "failed", *names, "max")
    yield from rows(header, map(_step, summary.steps(run)))
    yield f"\nFailures: {summary.failures(run.total.failures)}."


def _step(found: StepResult) -> tuple[str, ...]:
    return (
        code(found.name) if found.name else f"**{summary.ALL}**",
        figures.count(found.requests),
        figures.percent(found.failure_rate),
        *(summary.quantile(found.latency.at(q)) for q in SHOWN),
        summary.milliseconds(found.latency.max_ms),
    )


def _tenants(run: LoadRun) -> Iterator[str]:
    if told := summary.fairness(run):
        yield text(told)


def _servers(run: LoadRun) -> Iterator[str]:
    if run.server.sentence:
        yield text(run.server.sentence)


def _about(run: LoadRun) -> Iterator[str]:
    yield f"<details><summary>{text(summary.method(run))}</summary>\n"
    if run.environment:
        known = ((text(key), text(value)) for key, value in run.environment.items())
        yield from rows(("on", "is"), known, right=2)
    yield f"\nAgainst {text(run.target)}. {text(summary.loader(run))} Run {code(run.id)}.\n"
    yield "</details>"
