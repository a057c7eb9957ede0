from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured

from perf.management.pgstat_health import FOUND, NOT_CHECKED, OK, exit_code
from perf.pgstat import reading, versus
from perf.pgstat.capabilities import Need
from perf.pgstat.connecting import connected
from perf.pgstat.reading import look
from perf.pgstat.results import (
    Column,
    Confidence,
    Document,
    Finding,
    Kind,
    Place,
    Severity,
    Status,
)
from perf.pgstat.section import Check, NotEnough, Options, Section, Unreadable
from perf.pgstat.server import Server

pytestmark = pytest.mark.django_db

COLUMNS = (
    Column("name", "text", Kind.LABEL, "name", "planted"),
    Column("calls", "calls", Kind.COUNTER, "calls", "planted"),
)
ROWS = [{"name": "a", "calls": 2}, {"name": "b", "calls": 1}]


@pytest.fixture(autouse=True)
def nothing_ignored(settings: Any) -> None:
    settings.PERF_IGNORE = []


@pytest.fixture
def server() -> Any:
    with connected() as found:
        yield found


def check(find: Any, **values: Any) -> Check:
    return Check("PL1", "planted", "Planted", "Any.", find, **values)


def finding(severity: Severity = Severity.WARNING, **values: Any) -> Finding:
    values = {"place": Place("public", "planted_table"), **values}
    return Finding("PL1", severity, values.pop("confidence", Confidence.HIGH), "Amiss.", **values)


def section(read: Any = lambda reading: ROWS, *checks: Check, **values: Any) -> Section:
    return Section("planted", "Planted", "Says.", COLUMNS, read, checks, **values)


@pytest.fixture
def looked(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    def look_at(*sections: Section, **options: Any) -> Document:
        monkeypatch.setattr(reading, "SECTIONS", sections)
        return look(server, **options)

    return look_at


def raising(error: Exception) -> Any:
    def find(*given: Any) -> Iterator[Finding]:
        raise error
        yield  # a generator, as most checks are

    return find


@pytest.mark.parametrize(
    ("error", "status", "reason", "remedy"),
    [
        (NotEnough("One day."), Status.INSUFFICIENT, "One day.", None),
        (Unreadable("Hidden.", "GRANT it;"), Status.SKIPPED, "Hidden.", "GRANT it;"),
        (ZeroDivisionError("a fault"), Status.ERROR, "ZeroDivisionError: a fault", None),
        (psycopg.errors.InsufficientPrivilege("no"), Status.SKIPPED, "no", None),
    ],
)
def test_a_check_that_can_not_answer_costs_no_other(looked, error, status, reason, remedy):
    fine = replace(check(lambda reading, rows: ()), id="PL2")

    (found, *_) = looked(section(lambda reading: ROWS, check(raising(error)), fine)).sections

    assert [each.status for each in found.checks] == [status, Status.OK]
    assert (found.checks[0].reason, found.checks[0].remedy) == (reason, remedy)
    assert found.rows == tuple(ROWS)


def test_a_section_that_fails_costs_no_other_and_its_checks_say_why(looked):
    def divided(reading: Any) -> Any:
        return reading.server.rows("SELECT 1 / 0")

    broken = section(divided, check(lambda reading, rows: ()))

    first, second, *_ = looked(broken, replace(section(), name="other")).sections

    assert (first.status, second.status) == (Status.ERROR, Status.OK)
    assert first.reason == "DivisionByZero: division by zero"
    assert (first.checks[0].status, first.checks[0].reason) == (Status.ERROR, first.reason)


def test_what_waits_for_a_lock_is_skipped(looked, server):
    with connected() as other:
        other.session.execute("SET default_transaction_read_only = off")
        other.session.execute("BEGIN")
        other.session.execute("LOCK TABLE public.perf_run IN ACCESS EXCLUSIVE MODE")
        waits = section(lambda reading: reading.server.rows("SELECT FROM public.perf_run"))

        (found, *_) = looked(waits).sections

    assert found.status is Status.SKIPPED
    assert "lock" in str(found.reason)


def test_what_a_role_may_not_see_is_skipped_with_the_grant_that_helps(looked, server):
    need = Need(lambda can: False, "Not seen.", "GRANT all TO {role};")
    role = server.value("SELECT current_user")

    (found, *_) = looked(section(needs=(need,))).sections

    assert (found.status, found.remedy) == (Status.SKIPPED, f"GRANT all TO {role};")


def test_checks_see_all_rows_and_the_report_shows_the_first(looked):
    seen: list[Any] = []

    def see(reading: Any, rows: Any) -> tuple[()]:
        seen.extend(rows)
        return ()

    (found, *_) = looked(section(lambda reading: ROWS, check(see)), options=Options(top=1)).sections

    assert (found.rows, found.hidden_rows) == ((ROWS[0],), 1)
    assert seen == ROWS


def test_a_finding_can_be_ignored_until_a_day(looked, settings):
    entry = {"check": "PL1", "object": "planted_table", "reason": "known", "until": "2999-01-01"}
    settings.PERF_IGNORE = [entry]
    planted = section(lambda reading: ROWS, check(lambda reading, rows: [finding()]))

    found = looked(planted)

    assert found.findings == ()
    assert (found.checks[0].status, found.checks[0].ignored) == (Status.OK, 1)
    settings.PERF_IGNORE = [{**entry, "object": "another_table"}]
    assert [each.check for each in looked(planted).findings] == ["PL1", "IG1"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"until": "2020-01-01"}, "it ended on 2020-01-01"),
        ({"check": "XX9"}, "there is no such check"),
        ({}, "nothing answers to it"),
    ],
)
def test_an_entry_that_is_not_needed_is_a_finding(looked, settings, changed, why):
    entry = {"check": "PL1", "object": "gone", "reason": "known", "until": "2999-01-01"}
    settings.PERF_IGNORE = [entry | changed]

    (found,) = looked(section(lambda reading: ROWS, check(lambda reading, rows: ()))).findings

    assert (found.check, found.severity) == ("IG1", Severity.INFO)
    assert why in found.what


@pytest.mark.parametrize(
    "entry", [{}, "IX1", {"check": "IX1", "object": "a", "reason": "b", "until": "soon"}]
)
def test_an_entry_that_is_not_whole_is_refused(looked, settings, entry):
    settings.PERF_IGNORE = [entry]

    with pytest.raises(ImproperlyConfigured, match="entry 1"):
        looked(section())


def test_findings_come_the_worst_first(looked):
    told = [finding(Severity.INFO), finding(Severity.CRITICAL), finding(Severity.WARNING)]
    found = looked(section(lambda reading: ROWS, check(lambda reading, rows: told)))

    assert [each.severity for each in found.findings] == ["critical", "warning", "info"]


@pytest.mark.parametrize(
    ("told", "fail_on", "confidence", "code"),
    [
        ([finding(Severity.WARNING)], "warning", "low", FOUND),
        ([finding(Severity.WARNING)], "critical", "low", OK),
        ([finding(Severity.WARNING)], "never", "low", OK),
        ([finding(confidence=Confidence.LOW)], "warning", "medium", OK),
        ([], "warning", "low", OK),
    ],
)
def test_what_a_look_ends_with(looked, told, fail_on, confidence, code):
    found = looked(section(lambda reading: ROWS, check(lambda reading, rows: told)))

    assert exit_code(found, fail_on, confidence) == code


@pytest.mark.parametrize("error", [NotEnough("short"), ZeroDivisionError("a fault")])
def test_nothing_checked_is_not_fine(looked, error):
    found = looked(section(lambda reading: ROWS, check(raising(error))), names=["planted"])

    assert exit_code(found, "warning", "low") == NOT_CHECKED


def test_an_earlier_window_stands_beside_each_figure(looked):
    now = looked(section())
    earlier = looked(section(lambda reading: [{"name": "b", "calls": 7}]))

    (found, *_) = versus.beside(now, earlier).sections

    assert [each.key for each in found.columns] == ["name", "calls", "calls_before"]
    assert [row["calls_before"] for row in found.rows] == [None, 7]


def test_times_are_of_now(looked):
    age = datetime.now(UTC) - datetime.fromisoformat(looked(section()).generated_at)

    assert abs(age.total_seconds()) < 60
