"""What the sessions of this database are doing now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from perf.pg.redaction import redacted
from perf.pgstat.fixes import quoted
from perf.pgstat.results import Column, Finding, Fix, Kind, Place, Row, Severity
from perf.pgstat.section import Check, Reading, Section, Unreadable
from perf.pgstat.server import Server

LONG_ACTIVE_S: Final = 300, 1_800
LONG_IDLE_S: Final = 60, 600
IDLE: Final = ("idle in transaction", "idle in transaction (aborted)")

# Without the right to see a session `backend_type` is NULL, as is nearly all else.
_STATEMENT: Final = """
    SELECT pid, usename AS role, nullif(application_name, '') AS application,
           coalesce(client_addr::text, client_hostname) AS client, state,
           wait_event_type || ':' || wait_event AS wait,
           extract(epoch FROM clock_timestamp() - xact_start)::float8 AS transaction_s,
           extract(epoch FROM clock_timestamp() - query_start)::float8 AS query_s,
           extract(epoch FROM clock_timestamp() - state_change)::float8 AS state_s,
           query, backend_type
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
       AND (backend_type = 'client backend' OR backend_type IS NULL)
     ORDER BY xact_start NULLS LAST, query_start NULLS LAST, pid
"""


def _sessions(server: Server) -> list[dict[str, Any]]:
    return server.rows(_STATEMENT)


def _is_seen(row: dict[str, Any]) -> bool:
    return row["backend_type"] is not None


def _read(reading: Reading) -> list[Row]:
    found = reading.once(_sessions)
    if hidden := _hidden(reading):
        reading.notes.append(f"{hidden} {_remedy(reading)}")
    return [_row(row) for row in found if _is_seen(row)]


def _hidden(reading: Reading) -> str | None:
    """How many sessions this role does not see, in words; None where it sees all."""
    count = sum(not _is_seen(row) for row in reading.once(_sessions))
    return f"Up to {count:,} sessions of other roles can't be seen." if count else None


def _remedy(reading: Reading) -> str:
    return f"GRANT pg_read_all_stats TO {reading.can.role_in_sql};"


def _tell_hidden(reading: Reading) -> None:
    """Raise `Unreadable` where there are sessions that nobody has looked at."""
    if hidden := _hidden(reading):
        raise Unreadable(hidden, _remedy(reading))


def _row(row: dict[str, Any]) -> Row:
    told: Row = {name: value for name, value in row.items() if name != "backend_type"}
    is_active = row["state"] == "active"
    return {
        **told,
        "query": redacted(row["query"]) or None,
        "query_s": row["query_s"] if is_active else None,  # it ended, and nobody knows when
    }


def _find_active(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        found: Any = row
        if row["state"] == "active" and (severity := _severity(found["query_s"], LONG_ACTIVE_S)):
            yield LONG_ACTIVE.finding(
                severity,
                f"Session {row['pid']} has been running a statement for {found['query_s']:,.0f} s:"
                f" {row['query']}",
                place=Place(name=str(row["pid"])),
                evidence=row,
                fix=Fix(sql=f"SELECT pg_cancel_backend({row['pid']});", online=True),
                caveats=("A backup or a migration may well take so long.",),
            )
    _tell_hidden(reading)


def _find_idle(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        found: Any = row
        if row["state"] in IDLE and (severity := _severity(found["transaction_s"], LONG_IDLE_S)):
            yield LONG_IDLE.finding(
                severity,
                f"Session {row['pid']} of {row['application'] or row['role']} has a transaction "
                f"open for {found['transaction_s']:,.0f} s, and does nothing in it.",
                place=Place(name=str(row["pid"])),
                evidence=row,
                fix=Fix(
                    sql=f"ALTER ROLE {quoted(found['role'])}"
                    " SET idle_in_transaction_session_timeout = '60s';"
                ),
                caveats=("A cancel ends a statement and not a transaction: its program has to.",),
            )
    _tell_hidden(reading)


def _severity(age_s: Any, limits_s: tuple[int, int]) -> Severity | None:
    if age_s is None or age_s < limits_s[0]:
        return None
    return Severity.CRITICAL if age_s >= limits_s[1] else Severity.WARNING


LONG_ACTIVE: Final = Check(
    "AC1",
    "long-statements",
    "Statements that run for long",
    "300 s, critical from 1,800 s: as long as one runs VACUUM removes no row that it might see. "
    "The figures are those of Plain's `postgres diagnose`.",
    _find_active,
)
LONG_IDLE: Final = Check(
    "AC2",
    "idle-in-transaction",
    "Transactions that are open and idle",
    "60 s since the transaction's begin, critical from 600 s: it keeps its locks and rows that "
    "VACUUM would remove, for nothing. The figures are those of Plain's `postgres diagnose`.",
    _find_idle,
)

SECTION: Final = Section(
    "activity",
    "Sessions",
    "What the clients of this database do now. PostgreSQL's own processes are left out.",
    (
        Column("pid", "id", Kind.LABEL, "process", "pg_stat_activity.pid"),
        Column("role", "text", Kind.LABEL, "role", "usename"),
        Column("application", "text", Kind.LABEL, "application", "application_name"),
        Column("client", "text", Kind.LABEL, "client", "client_addr, none for a local socket"),
        Column("state", "text", Kind.LABEL, "state", "state"),
        Column("wait", "text", Kind.LABEL, "waits for", "wait_event_type:wait_event"),
        Column("transaction_s", "s", Kind.GAUGE, "age of the transaction", "now - xact_start"),
        Column("query_s", "s", Kind.GAUGE, "age of a running statement", "now - query_start"),
        Column("state_s", "s", Kind.GAUGE, "in this state", "now - state_change"),
        Column("query", "text", Kind.LABEL, "last statement, without values", "query"),
    ),
    _read,
    (LONG_ACTIVE, LONG_IDLE),
)  # fmt: skip
