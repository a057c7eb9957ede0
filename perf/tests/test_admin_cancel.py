"""Cancelling a statement in the admin: looked at, agreed to with a reason, and recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages.storage.fallback import FallbackStorage
from django.db import connection
from django.http import Http404
from django.test import RequestFactory

from perf.models import PgstatAction
from perf.tests.lab import wait_for
from perf.tests.live import Live, role, running
from perf.tests.test_admin_runs import Person

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
WHY = "holds up the migration"
pytestmark = pytest.mark.django_db


@pytest.fixture
def live() -> Iterator[Live]:
    """The database of the tests itself: the admin cancels in no other one."""
    found = Live(str(connection.settings_dict["NAME"]))
    yield found
    found.close()


@pytest.fixture
def person(live: Live) -> Iterator[str]:
    with role(f"perf_cancel_admin_{WORKER}") as found:
        yield found
        live.close()


@pytest.fixture
def busy(live: Live, person: str) -> Iterator[int]:
    with running(live.session(person), "SELECT pg_sleep(600), 'secret'") as pid:
        wait_for(lambda: runs(live, pid))
        yield pid


def runs(live: Live, pid: int) -> bool:
    return (pid,) in live.do("SELECT pid FROM pg_stat_activity WHERE state = 'active'")


def page(request: Any, *, is_superuser: bool = True) -> Any:
    request.user = Person(is_superuser=is_superuser)
    request.session = {}
    request._messages = FallbackStorage(request)
    return admin.site._registry[PgstatAction].cancel(request)  # type: ignore[attr-defined]


def looked(**asked: Any) -> str:
    told: str = page(RequestFactory().get("/", asked)).text
    return told


def sent(told: str, reason: str, **other: str) -> Any:
    """The form of a page, filled in and sent."""
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', told)
    fields = {name: value for name, value in hidden if name != "csrfmiddlewaretoken"}
    return page(RequestFactory().post("/", {**fields, "reason": reason, **other}))


@pytest.mark.parametrize("method", ["get", "post"])
def test_others_than_superusers_find_nothing(method: str) -> None:
    with pytest.raises(Http404):
        page(getattr(RequestFactory(), method)("/"), is_superuser=False)


def test_it_asks_for_a_session_first() -> None:
    told = looked()

    assert 'name="pid"' in told
    assert 'name="reason"' not in told


def test_a_statement_is_shown_without_its_values_and_goes_on(live: Live, busy: int) -> None:
    told = looked(pid=busy)

    assert re.search(r"SELECT pg_sleep\(\S+\), \S+<", told)
    assert "secret" not in told
    assert runs(live, busy)
    assert not PgstatAction.objects.exists()


def test_with_a_reason_it_is_cancelled_and_recorded(live: Live, person: str, busy: int) -> None:
    answer = sent(looked(pid=busy), WHY)

    assert answer.status_code == 302
    wait_for(lambda: not runs(live, busy))
    record = PgstatAction.objects.get()
    assert (record.who, record.pid, record.role) == ("ada", busy, person)
    assert (record.reason, record.outcome) == (WHY, PgstatAction.Outcome.CANCELLED)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_without_a_good_reason_it_goes_on(live: Live, busy: int, reason: str) -> None:
    told = sent(looked(pid=busy), reason).text

    assert 'name="reason"' in told
    assert "errorlist" in told
    assert runs(live, busy)


def test_another_statement_than_the_one_shown_goes_on(live: Live, busy: int) -> None:
    earlier = "2026-11-27T01:02:03.000004+00:00"
    told = sent(looked(pid=busy), WHY, query_start=earlier).text

    assert "has gone on to something else" in told
    assert runs(live, busy)
    assert PgstatAction.objects.get().outcome == PgstatAction.Outcome.REFUSED


@pytest.mark.parametrize("started", ["", "now", "2026-11-27T01:02:03"])
def test_a_time_that_is_none_is_an_error_of_the_form(busy: int, started: str) -> None:
    told = sent(looked(pid=busy), WHY, backend_start=started).text

    assert "This" in told
    assert "errorlist" in told
    assert not PgstatAction.objects.exists()


@pytest.mark.parametrize("pid", ["0", "-1", "x", str(2**31), "1"])
def test_a_session_that_is_none_is_an_error(pid: str) -> None:
    told = looked(pid=pid)

    assert 'name="reason"' not in told
    assert "There is no session 1." in told if pid == "1" else "errorlist" in told
