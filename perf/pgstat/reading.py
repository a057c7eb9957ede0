"""A look at a database: each section is read by itself, so that one that fails costs no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from perf.pgstat import ignoring
from perf.pgstat.capabilities import Capabilities, Need, probe
from perf.pgstat.deltas import Deltas
from perf.pgstat.ignoring import Ignored
from perf.pgstat.objects import Models
from perf.pgstat.results import (
    SCHEMA,
    CheckResult,
    Document,
    Finding,
    Row,
    SectionResult,
    Severity,
    Status,
)
from perf.pgstat.samples import take
from perf.pgstat.section import (
    Check,
    KeptTexts,
    NotEnough,
    Options,
    Reading,
    Section,
    Unreadable,
    no_texts,
)
from perf.pgstat.sections import SECTIONS
from perf.pgstat.server import Server
from perf.pgstat.views import Sample

STALE: Final = Check(
    "IG1",
    "stale-ignore",
    "Entries of PERF_IGNORE that are over, or that nothing answers to",
    "Any: an entry that is not needed hides what comes later.",
    lambda reading, rows: (),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What can't be told as rows: a status with its reason."""

    status: Status
    reason: str | None = None
    remedy: str | None = None


def look(
    server: Server,
    *,
    names: Sequence[str] = (),
    before: Sample | None = None,
    after: Sample | None = None,
    options: Options | None = None,
    samples: bool = True,
    earlier: Deltas | None = None,
    kept_texts: KeptTexts = no_texts,
) -> Document:
    """Read these sections, all without names, over a window.

    The window begins with the sample `before`, or when the statistics began, and ends with `after`,
    or now. What is no counter is of now. With `samples` false no counters are read at all.
    Statements are compared with those of the window `earlier`, and those that PostgreSQL has
    forgotten are told by `kept_texts`. Raises `psycopg.Error` where not even the basics can be
    read, and `ImproperlyConfigured` for a broken `PERF_IGNORE`.
    """
    ignored = ignoring.entries()
    can = probe(server)
    if after is None:
        after = take(server, can) if samples else Sample(datetime.now(UTC), can.started_at)
    deltas = Deltas(before, after)
    reading = Reading(
        server,
        can,
        deltas,
        Models(),
        options or Options(),
        earlier=earlier,
        kept_texts=kept_texts,
    )
    chosen = [each for each in SECTIONS if not names or each.name in names]
    results = tuple(_section(each, reading, ignored) for each in chosen)
    if not names:
        results = (*results, _stale(ignored, results))
    return Document(
        schema=SCHEMA,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        database=server.database,
        server=_server(can),
        capabilities=_capabilities(can),
        window=deltas.window,
        sections=results,
    )


def _section(section: Section, reading: Reading, ignored: Sequence[Ignored]) -> SectionResult:
    reading.notes.clear()
    rows: tuple[Row, ...] = ()
    outcome = _missing(section.needs, reading.can)
    if outcome is None:
        rows, outcome = _rows(section, reading)
    notes = tuple(reading.notes)
    checks = tuple(_check(each, reading, rows, outcome, ignored) for each in section.checks)
    shown = rows[: reading.options.top]
    return SectionResult(
        name=section.name,
        title=section.title,
        says=section.says,
        columns=section.columns,
        status=outcome.status if outcome.status is not Status.OK else worst(checks),
        rows=shown,
        hidden_rows=len(rows) - len(shown),
        reason=outcome.reason,
        remedy=outcome.remedy,
        notes=notes,
        checks=checks,
    )


def _rows(section: Section, reading: Reading) -> tuple[tuple[Row, ...], Outcome]:
    try:
        return tuple(section.read(reading)), Outcome(Status.OK)
    except Exception as error:
        return (), _amiss(error)


def _check(
    check: Check,
    reading: Reading,
    rows: Sequence[Row],
    outcome: Outcome,
    ignored: Sequence[Ignored],
) -> CheckResult:
    if outcome.status is Status.OK:
        outcome = _missing(check.needs, reading.can) or outcome
    found: list[Finding] = []
    if outcome.status is Status.OK:
        try:
            for each in check.find(reading, rows):
                found.append(each)  # kept, whatever becomes of the rest
        except Exception as error:
            outcome = _amiss(error)
    told = [each for each in found if not any(_answers(entry, each) for entry in ignored)]
    status = Status.FINDING if told else outcome.status
    return CheckResult(
        id=check.id,
        name=check.name,
        title=check.title,
        status=status,
        findings=tuple(told),
        ignored=len(found) - len(told),
        reason=outcome.reason,
        remedy=outcome.remedy,
    )


def _amiss(error: Exception) -> Outcome:
    """What a failure means. One of our own is an error too, and not the end of the report."""
    match error:
        case NotEnough():
            return Outcome(Status.INSUFFICIENT, str(error))
        case Unreadable():
            return Outcome(Status.SKIPPED, str(error), error.remedy)
        case psycopg.errors.LockNotAvailable():
            return Outcome(
                Status.SKIPPED,
                "Somebody holds a lock that this would have to wait for.",
                "See the section locks.",
            )
        case psycopg.errors.QueryCanceled():
            return Outcome(Status.SKIPPED, "PostgreSQL took too long to answer, and was stopped.")
        case psycopg.errors.InsufficientPrivilege():
            return Outcome(Status.SKIPPED, _first_line(error))
    return Outcome(Status.ERROR, f"{type(error).__name__}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]


def _missing(needs: Iterable[Need], can: Capabilities) -> Outcome | None:
    for need in needs:
        if not need.met(can):
            return Outcome(
                Status.SKIPPED, need.reason, need.remedy.replace("{role}", can.role_in_sql)
            )
    return None


_ORDER: Final = (
    Status.FINDING,
    Status.ERROR,
    Status.SKIPPED,
    Status.INSUFFICIENT,
    Status.OK,
)


def worst(checks: Iterable[CheckResult]) -> Status:
    """The status of several checks together; "ok" for none."""
    return min((each.status for each in checks), key=_ORDER.index, default=Status.OK)


def _answers(entry: Ignored, finding: Finding) -> bool:
    today = datetime.now(UTC).date()
    same = entry.check == finding.check and entry.object == str(finding.place)
    return same and not entry.is_over(today)


def _stale(ignored: Sequence[Ignored], results: Sequence[SectionResult]) -> SectionResult:
    """The section of the ignored: what is over, and what no finding has answered to."""
    today = datetime.now(UTC).date()
    checks = {check.id: check for section in results for check in section.checks}
    found = list(_stale_entries(ignored, checks, today))
    check = CheckResult(
        STALE.id,
        STALE.name,
        STALE.title,
        Status.FINDING if found else Status.OK,
        tuple(found),
    )
    return SectionResult(
        name="ignored",
        title="Ignored findings",
        says="What PERF_IGNORE keeps from being told.",
        columns=(),
        status=check.status,
        notes=tuple(f"{each.check} {each.object}: {each.reason}" for each in ignored),
        checks=(check,),
    )


def _stale_entries(
    ignored: Sequence[Ignored], checks: dict[str, CheckResult], today: Any
) -> Iterator[Finding]:
    needed = {each.check: checks[each.check].ignored for each in ignored if each.check in checks}
    for each in ignored:
        if each.is_over(today):
            why = f"it ended on {each.until}"
        elif each.check not in checks:
            why = "there is no such check"
        elif not needed[each.check] and checks[each.check].status in (Status.OK, Status.FINDING):
            why = "nothing answers to it"
        else:
            continue
        finding = STALE.finding(
            Severity.INFO, f"The ignored {each.check} of {each.object} can go: {why}."
        )
        yield replace(finding, evidence={"reason": each.reason, "until": each.until.isoformat()})


def _server(can: Capabilities) -> dict[str, Any]:
    return {
        "version": can.version,
        "version_num": can.version_num,
        "in_recovery": can.in_recovery,
        "started_at": can.started_at,
        "system_id": can.system_id,
    }


def _capabilities(can: Capabilities) -> dict[str, Any]:
    return {
        "role": can.role,
        "is_superuser": can.is_superuser,
        "reads_all_stats": can.reads_all_stats,
        "reads_all_data": can.reads_all_data,
        "pg_stat_statements": can.statements,
        "pg_stat_statements_reason": can.statements_reason,
        "extensions": can.extensions,
        "settings": can.settings,
    }
