"""How many of the connections that there can be are in use, and how many may be asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from perf.pgstat.results import Column, Confidence, Finding, Kind, Place, Row, Severity
from perf.pgstat.section import Check, Reading, Section, Unreadable, ratio

FULL: Final = 0.75, 0.9
IN_USE: Final = "in use"
DEMANDED: Final = "demanded"

# Without the right to see a session `backend_type` is NULL. A process of PostgreSQL has no role, or
# no database.
_GROUPS: Final = """
    SELECT datname AS database, nullif(application_name, '') AS application, state,
           count(*) AS sessions,
           max(extract(epoch FROM clock_timestamp() - state_change))::float8 AS longest_s,
           backend_type IS NULL AS is_hidden
      FROM pg_stat_activity
     WHERE usesysid IS NOT NULL AND datid IS NOT NULL
       AND (backend_type = 'client backend' OR backend_type IS NULL)
     GROUP BY datname, nullif(application_name, ''), state, backend_type IS NULL
     ORDER BY sessions DESC, database, application, state
"""


def usable(reading: Reading) -> int:
    """The connections that are left for a role that is no superuser."""
    told = reading.can.settings
    kept = ("superuser_reserved_connections", "reserved_connections")  # the second from 16 on
    return int(told["max_connections"]) - sum(int(told.get(name, 0)) for name in kept)


def demanded() -> int | None:
    """How many connections the application may open at once, by `PERF_DEMANDED_CONNECTIONS`.

    The setting is a number, or the path of a function that returns one: processes × threads ×
    databases of the web, and what jobs open. Raises `ImproperlyConfigured` for anything else.
    """
    found = getattr(settings, "PERF_DEMANDED_CONNECTIONS", None)
    if isinstance(found, str):
        found = import_string(found)
    if callable(found):
        found = found()
    if found is not None and (not isinstance(found, int) or found < 0):
        raise ImproperlyConfigured(
            "PERF_DEMANDED_CONNECTIONS must be a number, or the path of a function that returns it."
        )
    return found


def _read(reading: Reading) -> Iterator[Row]:
    most, groups = usable(reading), reading.server.rows(_GROUPS)
    sessions = sum(each["sessions"] for each in groups)
    if any(each["is_hidden"] for each in groups):
        reading.notes.append(
            "What sessions of other roles are can't be seen, so that parallel workers are counted "
            f"with them: GRANT pg_read_all_stats TO {reading.can.role_in_sql};"
        )
    yield _row(IN_USE, sessions, most)
    if (wanted := demanded()) is not None:
        yield _row(DEMANDED, wanted, most)
    for each in groups:
        state = "hidden" if each["is_hidden"] else each["state"]
        yield _row(state, each["sessions"], most) | {
            "database": each["database"],
            "application": each["application"],
            "longest_s": each["longest_s"],
        }


def _row(state: str | None, sessions: int, most: int) -> Row:
    return {
        "state": state,
        "database": None,
        "application": None,
        "sessions": sessions,
        "usable": most,
        "share": ratio(sessions, most),
        "longest_s": None,
    }


def _find_full(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    total: Any = rows[0]
    if total["share"] is None or total["share"] < FULL[0]:
        return
    yield FULL_NOW.finding(
        Severity.CRITICAL if total["share"] >= FULL[1] else Severity.WARNING,
        f"{total['sessions']} of {total['usable']} connections are in use.",
        confidence=Confidence.HIGH if reading.can.reads_all_stats else Confidence.MEDIUM,
        place=Place(name="max_connections"),
        evidence=total,
    )


def _find_demand(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    found: Any = next((row for row in rows if row["state"] == DEMANDED), None)
    if found is None:
        raise Unreadable(
            "Nobody has said how many connections the application may open.",
            "Set PERF_DEMANDED_CONNECTIONS: processes × threads × databases, and jobs.",
        )
    if found["share"] is None or found["share"] > 1:
        yield TOO_MANY_DEMANDED.finding(
            Severity.WARNING,
            f"The application may open {found['sessions']} connections, and the server has "
            f"{found['usable']}: under load some will be refused.",
            place=Place(name="PERF_DEMANDED_CONNECTIONS"),
            evidence=found,
        )


FULL_NOW: Final = Check(
    "CN1",
    "connections-used-up",
    "Connections that are nearly used up",
    "75 %, critical from 90 %, of max_connections without those kept for superusers and others: a "
    "deployment opens new ones before the old are closed. The figures are those of pgsteward.",
    _find_full,
)
TOO_MANY_DEMANDED: Final = Check(
    "CN2",
    "connections-promised",
    "More connections may be asked for than there are",
    "More than 100 %: it can only go well as long as not everybody asks at once.",
    _find_demand,
)

SECTION: Final = Section(
    "connections",
    "Connections",
    "How many clients are connected to the server, of all databases, against those that can be.",
    (
        Column("state", "text", Kind.LABEL, "state", "pg_stat_activity.state"),
        Column("database", "text", Kind.LABEL, "database", "pg_stat_activity.datname"),
        Column("application", "text", Kind.LABEL, "application", "application_name"),
        Column("sessions", "count", Kind.GAUGE, "connections", "rows of pg_stat_activity"),
        Column(
            "usable", "count", Kind.GAUGE, "that there can be",
            "max_connections - superuser_reserved_connections - reserved_connections",
        ),
        Column("share", "1", Kind.RATIO, "share of them", "sessions / usable"),
        Column("longest_s", "s", Kind.GAUGE, "longest in this state", "now - state_change"),
    ),
    _read,
    (FULL_NOW, TOO_MANY_DEMANDED),
)  # fmt: skip
