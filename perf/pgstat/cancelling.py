"""Cancelling the statement that a session runs, by rules, and with a record of it.

A cancel ends one statement; the session goes on and its program hears an error. Ending sessions is
not offered: it loses what a program believes to have.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from django.db import transaction

from perf.models import PgstatAction
from perf.pg.redaction import redacted
from perf.pgstat.server import Server

REASON_LENGTH: Final = 500

_TARGET: Final = """
    SELECT a.pid, a.usename AS role, a.application_name AS application, a.state, a.query,
           a.backend_start, a.query_start, a.backend_type, a.datname AS database,
           a.pid = pg_backend_pid() AS is_own, coalesce(r.rolsuper, false) AS is_superuser,
           extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS query_s
      FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid
     WHERE a.pid = %(pid)s
"""
# The session may be gone by now, or run another statement, which nobody has asked to cancel.
_CANCEL: Final = """
    SELECT pg_cancel_backend(pid) AS sent FROM pg_stat_activity
     WHERE pid = %(pid)s AND backend_start = %(backend_start)s AND query_start = %(query_start)s
       AND state = 'active'
"""


class Refused(Exception):
    """It is not cancelled; the text says why."""


class _Gone(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Started:
    """Which session of a process id, and which of its statements: ids are used again."""

    backend_start: datetime
    query_start: datetime


@dataclass(frozen=True, slots=True)
class Target:
    """A session and the statement that it runs, to be shown before it is cancelled."""

    pid: int
    role: str
    application: str
    query: str
    query_s: float
    started: Started


def target(server: Server, pid: int) -> Target:
    """What would be cancelled. One statement.

    Raises `Refused` for what may not be: no session, one's own, a process of PostgreSQL, one of a
    superuser or of another database, and one that runs no statement.
    """
    return _allowed(_session(server, pid), server)


def _session(server: Server, pid: int) -> dict[str, Any]:
    for row in server.rows(_TARGET, {"pid": pid}):
        return row
    raise Refused(f"There is no session {pid}.")


def _allowed(found: dict[str, Any], server: Server) -> Target:
    if why := _objection(found, server):
        raise Refused(f"Session {found['pid']} {why}")
    return Target(
        pid=found["pid"],
        role=found["role"],
        application=found["application"],
        query=redacted(found["query"]) or "",
        query_s=found["query_s"],
        started=Started(found["backend_start"], found["query_start"]),
    )


def _objection(found: dict[str, Any], server: Server) -> str | None:
    if found["is_own"]:
        return "is this one."
    if found["is_superuser"]:
        return "is of a superuser."
    if found["database"] != server.database:
        return f"is no client of the database {server.database}."
    if found["backend_type"] is None:
        return "can't be seen by this role: it takes pg_read_all_stats."
    if found["backend_type"] != "client backend":
        return f"is no client: it is a process of PostgreSQL, {found['backend_type']}."
    if found["state"] != "active":
        return f"runs no statement: it is {found['state']}, which a cancel does not end."
    return None


def cancel(
    server: Server, pid: int, *, who: str, reason: str, agreed: Started | None = None
) -> PgstatAction:
    """Cancel what a session runs, for a reason; `agreed` is the statement that was agreed to.

    Three statements, one of them the record's. Raises `Refused`, also where the session has gone on
    meanwhile or this role may not; that is recorded as well, but for a reason that is missing.
    """
    reason = reason.strip()
    if not reason:
        raise Refused("It takes a reason.")
    if len(reason) > REASON_LENGTH:
        raise Refused(f"The reason must have at most {REASON_LENGTH} characters.")
    record = PgstatAction(who=who, pid=pid, reason=reason, database=server.database)
    try:
        found = _session(server, pid)
        _describe(record, found)
        now = _allowed(found, server)
        return _cancelled(server, agreed or now.started, record)
    except Refused as error:
        record.outcome, record.refusal = PgstatAction.Outcome.REFUSED, str(error)
        record.save(force_insert=True)
        raise


def _describe(record: PgstatAction, found: dict[str, Any]) -> None:
    record.role, record.application = found["role"] or "", found["application"] or ""
    if found["backend_type"] is not None:  # else this role does not see what it runs
        record.query = redacted(found["query"]) or ""


def _cancelled(server: Server, started: Started, record: PgstatAction) -> PgstatAction:
    """Nothing is cancelled that can't be recorded: the record comes first, and goes if it fails."""
    record.outcome = PgstatAction.Outcome.CANCELLED
    try:
        with transaction.atomic():
            record.save(force_insert=True)
            if not _sent(server, record.pid, started):
                raise _Gone
    except _Gone as error:
        record.pk = None
        raise Refused(f"Session {record.pid} has gone on to something else.") from error
    except psycopg.errors.InsufficientPrivilege as error:
        record.pk = None
        raise Refused(
            f"This role may not cancel what {record.role} runs: it takes pg_signal_backend."
        ) from error
    return record


def _sent(server: Server, pid: int, started: Started) -> bool:
    return bool(server.value(_CANCEL, {"pid": pid, **asdict(started)}))
