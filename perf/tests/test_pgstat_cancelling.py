"""Cancelling a statement: who may be cancelled, who may not, and what is kept of it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from perf.management import pgstat_cancel
from perf.models import PgstatAction
from perf.pgstat import cancelling
from perf.pgstat.cancelling import Refused, cancel, target
from perf.tests.lab import Lab, wait_for
from perf.tests.live import Live, made, role, running

pytestmark = pytest.mark.django_db
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
WHY = "holds up the migration"
LONG = "SELECT pg_sleep(600), 'secret'"


@pytest.fixture(scope="module")
def database() -> Iterator[Live]:
    with made(f"test_perf_cancelling_{WORKER}", "CREATE TABLE item ()") as found:
        yield found


@pytest.fixture
def live(database: Live) -> Iterator[Live]:
    yield database
    database.close()


@pytest.fixture(scope="module")
def person() -> Iterator[str]:
    with role(f"perf_cancel_person_{WORKER}") as found:
        yield found


@contextmanager
def busy(live: Live, who: str, statement: str = LONG) -> Iterator[int]:
    """A role's session that runs something, which others see."""
    session = live.session(who, application_name="report")
    with running(session, statement) as pid:
        wait_for(lambda: runs(live, pid))
        yield pid


def runs(live: Live, pid: int) -> bool:
    return (pid,) in live.do("SELECT pid FROM pg_stat_activity WHERE state = 'active'")


def kept() -> PgstatAction:
    """The only record."""
    return PgstatAction.objects.get()


def test_a_cancel_ends_the_statement_and_keeps_who_what_and_why(live, person):
    with busy(live, person) as pid:
        with live.server() as server:
            cancel(server, pid, who="ada", reason=f" {WHY} ")
        wait_for(lambda: not runs(live, pid))

        alive = live.do(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")

    record = kept()
    assert alive == [(1,)]  # the session goes on
    assert (record.who, record.reason, record.outcome) == ("ada", WHY, "cancelled")
    assert (record.pid, record.role, record.application) == (pid, person, "report")
    assert record.database == live.name
    assert record.query == "SELECT pg_sleep(?), ?"
    assert record.refusal == ""


def refused(live: Live, pid: int, text: str, **options: Any) -> PgstatAction:
    """The record of a cancel that is refused with this text."""
    with live.server(options.pop("role", None)) as server, pytest.raises(Refused, match=text):
        cancel(server, pid, who="ada", reason=WHY, **options)
    record = kept()
    assert record.outcome == "refused"
    assert record.reason == WHY
    return record


@pytest.mark.parametrize(("reason", "why"), [("  ", "takes a reason"), ("x" * 501, "at most 500")])
def test_without_a_reason_nothing_is_cancelled(live, person, reason, why):
    with busy(live, person) as pid:
        with live.server() as server, pytest.raises(Refused, match=why):
            cancel(server, pid, who="ada", reason=reason)
        assert runs(live, pid)
    assert not PgstatAction.objects.exists()


def test_a_session_that_is_not_there_is_refused(live):
    record = refused(live, 2**31 - 1, "There is no session 2147483647")

    assert record.query == ""


def test_its_own_session_is_refused(live):
    with live.server() as server, pytest.raises(Refused, match="is this one"):
        cancel(server, server.session.info.backend_pid, who="ada", reason=WHY)


def test_a_superuser_is_refused(live):
    with running(live.session(), "SELECT pg_sleep(600)") as pid:
        wait_for(lambda: runs(live, pid))
        refused(live, pid, "is of a superuser")
        assert runs(live, pid)


def test_a_process_of_postgresql_is_refused(live):
    ((pid,),) = live.do("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")

    refused(live, pid, "is no client of the database")


def test_a_process_of_postgresql_with_this_database_is_refused(live):
    found: Any = {
        **{"is_own": False, "is_superuser": False, "database": live.name},
        **{"backend_type": "autovacuum worker", "state": "active"},
    }
    with live.server() as server:
        assert "it is a process of PostgreSQL" in str(cancelling._objection(found, server))


def test_a_client_of_another_database_is_refused(live, person):
    with (
        made(f"test_perf_cancelling_other_{WORKER}") as other,
        busy(other, person) as pid,
    ):
        refused(live, pid, f"is no client of the database {live.name}")
        assert runs(live, pid)


def test_a_session_that_runs_nothing_is_refused(live, person):
    session = live.session(person)
    session.execute("BEGIN")
    session.execute("SELECT 1")

    pid = session.info.backend_pid
    record = refused(live, pid, "it is idle in transaction, which a cancel does not")
    assert (record.role, record.query) == (person, "SELECT ?")


def test_a_role_that_sees_no_sessions_is_refused(live, person):
    with role(f"perf_cancel_blind_{WORKER}") as blind, busy(live, person) as pid:
        record = refused(live, pid, "it takes pg_read_all_stats", role=blind)

    assert (record.role, record.query) == (person, "")


def test_a_role_that_may_not_signal_is_refused_and_that_is_all_that_is_kept(live, person):
    reader = role(f"perf_cancel_reader_{WORKER}", "pg_read_all_stats")
    with reader as name, busy(live, person) as pid:
        record = refused(live, pid, "it takes pg_signal_backend", role=name)
        assert runs(live, pid)

    assert record.query == "SELECT pg_sleep(?), ?"


def test_a_role_that_may_signal_can_cancel(live, person):
    rights = ("pg_read_all_stats", "pg_signal_backend")
    with role(f"perf_cancel_signaller_{WORKER}", *rights) as name, busy(live, person) as pid:
        with live.server(name) as server:
            cancel(server, pid, who="ada", reason=WHY)
        wait_for(lambda: not runs(live, pid))


def test_a_session_that_has_gone_on_meanwhile_is_left_alone(live, person):
    with busy(live, person) as pid, live.server() as server:
        shown = target(server, pid)
        live.do(f"SELECT pg_cancel_backend({pid})")
        wait_for(lambda: not runs(live, pid))
        session = next(each for each in live.sessions if each.info.backend_pid == pid)
        with running(session, "SELECT pg_sleep(601)"):
            wait_for(lambda: runs(live, pid))
            refused(live, pid, "has gone on to something else", agreed=shown.started)
            assert runs(live, pid)


def test_nothing_is_cancelled_that_cannot_be_recorded(live, person, monkeypatch):
    with busy(live, person) as pid:
        with live.server() as server, pytest.raises(Exception, match="value too long"):
            cancel(server, pid, who="a" * 151, reason=WHY)
        assert runs(live, pid)


@pytest.fixture
def command(live, monkeypatch):
    """`pgstat cancel` of the database of the test."""
    monkeypatch.setattr(pgstat_cancel, "connected", lambda alias: live.server())

    def run(*arguments: Any) -> str:
        out = StringIO()
        call_command("pgstat", "cancel", *map(str, arguments), stdout=out)
        return out.getvalue()

    return run


def test_the_command_cancels_without_asking_if_it_is_told_to(live, person, command):
    with busy(live, person) as pid:
        told = command(pid, "--reason", WHY, "--yes")
        wait_for(lambda: not runs(live, pid))

    assert told == f"Cancelled what session {pid} ran: SELECT pg_sleep(?), ?\n"
    assert kept().who


@pytest.mark.parametrize(("answer", "is_cancelled"), [("y", True), ("", False), ("no", False)])
def test_the_command_asks_on_a_terminal(live, person, command, monkeypatch, answer, is_cancelled):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda text: answer)
    with busy(live, person) as pid:
        if is_cancelled:
            command(pid, "--reason", WHY)
            wait_for(lambda: not runs(live, pid))
        else:
            with pytest.raises(CommandError, match="not agreed to") as caught:
                command(pid, "--reason", WHY)
            assert caught.value.returncode == 3
            assert runs(live, pid)


def test_the_command_does_not_ask_where_nobody_is(live, person, command, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with busy(live, person) as pid:
        with pytest.raises(CommandError, match="say --yes"):
            command(pid, "--reason", WHY)
        assert runs(live, pid)


def test_the_command_needs_a_reason(command):
    with pytest.raises(CommandError, match="--reason"):
        command(1)


def test_watching_locks_ends_with_ctrl_c(tmp_path):
    """As a person has it: on a terminal, drawn anew until Ctrl-C."""
    name = connection.settings_dict["NAME"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "django", "pgstat", "locks", "--watch", "--interval", "1s"],
        env=Lab(tmp_path, name).environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    drawn = b""
    while drawn.count(b"Nobody waits for a lock.") < 2:
        drawn += os.read(ours, 1024)
    process.send_signal(2)

    assert process.wait(timeout=60) == 0
    os.close(ours)
    assert b"Traceback" not in drawn
