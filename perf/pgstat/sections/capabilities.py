"""What this role can see and this server counts, and what would help where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from perf.pgstat.capabilities import TRACK, TRACK_REMEDY
from perf.pgstat.fixes import quoted
from perf.pgstat.results import Column, Finding, Fix, Kind, Place, Row, Severity
from perf.pgstat.section import Check, Reading, Section
from perf.pgstat.server import STATEMENTS

# Row-level security hides a table's statistics too, from its owner as well where it is forced.
_UNREAD_TABLES: Final = """
    SELECT count(*) FILTER (WHERE NOT has_any_column_privilege(t.oid, 'SELECT')) AS denied,
           count(*) FILTER (WHERE t.relrowsecurity AND row_security_active(t.oid)) AS secured
      FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
     WHERE t.relkind IN ('r', 'm', 'p')
       AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
"""
_VERSIONS: Final = """
    SELECT installed_version AS installed, default_version AS available
      FROM pg_available_extensions WHERE name = %(name)s
"""


@dataclass(frozen=True, slots=True)
class Point:
    """Something that may be wanting, and what helps."""

    name: str
    value: str | None
    is_enough: bool
    why: str
    remedy: str

    @property
    def row(self) -> Row:
        """It as a row; where nothing is wanting, with no remedy."""
        return {
            "name": self.name,
            "value": self.value,
            "is_enough": self.is_enough,
            "why": self.why,
            "remedy": None if self.is_enough else self.remedy,
        }


def _read(reading: Reading) -> list[Row]:
    points = [*_rights(reading), *_statements(reading), *_settings(reading), *_timeouts(reading)]
    points.sort(key=lambda point: point.is_enough)
    return [point.row for point in points]


def _rights(reading: Reading) -> Iterator[Point]:
    can, role = reading.can, reading.can.role_in_sql
    yield Point(
        "pg_read_all_stats",
        _yes(can.reads_all_stats),
        can.reads_all_stats,
        "sessions and statements of other roles are seen",
        f"GRANT pg_read_all_stats TO {role};",
    )
    unread = reading.server.row(_UNREAD_TABLES)
    yield Point(
        "column statistics",
        f"{unread['denied']} tables denied, {unread['secured']} behind row-level security",
        unread["denied"] == unread["secured"] == 0,
        "bloat can be estimated, and what is in a column",
        f"GRANT pg_read_all_data TO {role};  -- which lets it read all rows, too"
        if unread["denied"]
        else f"ALTER ROLE {role} BYPASSRLS;  -- which lets it read the rows of all, too",
    )
    signals = reading.server.value("SELECT pg_has_role('pg_signal_backend', 'USAGE')")
    yield Point(
        "pg_signal_backend",
        _yes(signals),
        signals,
        "statements of other roles can be cancelled",
        f"GRANT pg_signal_backend TO {role};  -- only if it shall cancel them",
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _statements(reading: Reading) -> Iterator[Point]:
    can = reading.can
    yield Point(
        STATEMENTS,
        can.statements or can.statements_reason,
        can.statements is not None,
        "one sees which statements take the time",
        "shared_preload_libraries = 'pg_stat_statements', a restart, and "
        "CREATE EXTENSION pg_stat_statements;",
    )
    if can.statements is None:
        return
    found = reading.server.row(_VERSIONS, {"name": STATEMENTS})
    yield Point(
        f"{STATEMENTS} version",
        f"{found['installed']} of {found['available']}",
        found["installed"] == found["available"],
        "all is told that the server counts",
        "ALTER EXTENSION pg_stat_statements UPDATE;",
    )
    yield Point(
        TRACK,
        can.settings.get(TRACK),
        can.settings.get(TRACK) != "none",
        "statements are counted",
        TRACK_REMEDY,
    )


def _settings(reading: Reading) -> Iterator[Point]:
    wanted = {
        "track_counts": "all else is counted, and autovacuum works",
        "track_io_timing": "one sees how long reading and writing takes",
        "compute_query_id": "what a session runs is found among all statements",
    }
    for name, why in wanted.items():
        value = reading.can.settings.get(name)
        # With "auto" it is computed as soon as a module asks for it.
        is_enough = value == "on" or (value == "auto" and reading.can.statements is not None)
        yield Point(
            name, value, is_enough, why, f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"
        )


_TIMEOUTS: Final = {
    "idle_in_transaction_session_timeout": ("idle transactions end by themselves", "60s"),
    "transaction_timeout": ("no transaction goes on for ever", "10min"),  # from 17 on
}
# What a role finds set, whoever looks: for it in this database, for it, for the database.
_OF_ROLE: Final = """
    SELECT split_part(entry, '=', 1) AS name, substr(entry, strpos(entry, '=') + 1) AS value
      FROM pg_db_role_setting AS s CROSS JOIN LATERAL unnest(s.setconfig) AS entry
      LEFT JOIN pg_roles AS r ON r.oid = s.setrole
      LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
     WHERE (s.setrole = 0 OR r.rolname = %(role)s)
       AND (s.setdatabase = 0 OR d.datname = current_database())
     ORDER BY s.setrole = 0 DESC, s.setdatabase = 0 DESC
"""


def _timeouts(reading: Reading) -> Iterator[Point]:
    role = str(connections[DEFAULT_DB_ALIAS].settings_dict.get("USER") or reading.can.role)
    rows = reading.server.rows(_OF_ROLE, {"role": role})
    of_role = {row["name"]: row["value"] for row in rows}  # the most specific one is the last
    for name, (why, limit) in _TIMEOUTS.items():
        default = reading.can.settings.get(name)
        if default is None:
            continue  # this version has no such setting
        # Of this session, for want of the server's own: this role may have some set, too.
        value = of_role.get(name, f"{default} ms")
        yield Point(
            name,
            f"{value} for {role}",
            value.split()[0] not in ("0", "0s", "0ms"),
            why,
            f"ALTER ROLE {quoted(role)} SET {name} = '{limit}';",
        )


def _find(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        if not row["is_enough"]:
            found: Any = row
            yield WANTING.finding(
                Severity.INFO,
                f"{row['name']}: {row['value']}. With it {row['why']}.",
                place=Place(name=str(row["name"])),
                evidence={"value": found["value"]},
                fix=Fix(sql=found["remedy"]),
            )


WANTING: Final = Check(
    "CF",
    "wanting",
    "What can't be seen or is not counted",
    "Any, as info: what is not seen can't be judged, and it costs little to be told.",
    _find,
)

SECTION: Final = Section(
    "capabilities",
    "What can be seen",
    "What this role may see and this server counts, and what helps where it does not.",
    (
        Column("name", "text", Kind.LABEL, "right, extension or setting", "the catalogue"),
        Column("value", "text", Kind.LABEL, "as it is", "the catalogue"),
        Column("is_enough", "text", Kind.LABEL, "enough", "compared with what is wanted"),
        Column("why", "text", Kind.LABEL, "what it gives", "the manual"),
        Column("remedy", "text", Kind.LABEL, "what helps", "the manual"),
    ),
    _read,
    (WANTING,),
)
