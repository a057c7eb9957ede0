"""What this session can see on this server. Probed once, and printed with every report."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

import psycopg
from psycopg import sql

from perf.pgstat.server import STATEMENTS, Server


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What can be asked here. Five statements, and two of pg_stat_statements."""

    version: str  # "18.1"
    version_num: int
    role: str
    is_superuser: bool
    reads_all_stats: bool  # other sessions, and other roles' statements
    reads_all_data: bool  # pg_stats of tables that this role does not own
    in_recovery: bool
    started_at: str | None
    system_id: str | None
    statements: str | None  # the version of pg_stat_statements; None where it can't be read
    statements_reason: str | None  # why not
    settings: dict[str, str]  # those of `SETTINGS` that there are
    extensions: dict[str, str]

    @property
    def role_in_sql(self) -> str:
        """The role as SQL has it: in quotes where its name takes them."""
        is_plain = re.fullmatch(r"[a-z_][a-z0-9_]*", self.role)
        return self.role if is_plain else '"' + self.role.replace('"', '""') + '"'

    def setting_on(self, name: str) -> bool:
        """Whether a setting is on."""
        return self.settings.get(name) == "on"


TRACK: Final = "pg_stat_statements.track"
TRACK_REMEDY: Final = f"ALTER SYSTEM SET {TRACK} = top; SELECT pg_reload_conf();"
SETTINGS: Final = (
    "autovacuum",
    "autovacuum_analyze_scale_factor",
    "autovacuum_analyze_threshold",
    "autovacuum_freeze_max_age",
    "autovacuum_multixact_freeze_max_age",
    "autovacuum_vacuum_insert_scale_factor",
    "autovacuum_vacuum_insert_threshold",
    "autovacuum_vacuum_max_threshold",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_threshold",
    "block_size",
    "checkpoint_timeout",
    "compute_query_id",
    "idle_in_transaction_session_timeout",
    "max_connections",
    "max_parallel_maintenance_workers",
    "max_wal_size",
    "pg_stat_statements.max",
    TRACK,
    "pg_stat_statements.track_planning",
    "pg_stat_statements.track_utility",
    "reserved_connections",
    "shared_preload_libraries",
    "superuser_reserved_connections",
    "track_activity_query_size",
    "track_counts",
    "track_io_timing",
    "track_wal_io_timing",
    "transaction_timeout",
    "vacuum_failsafe_age",
    "vacuum_multixact_failsafe_age",
    "work_mem",
)


def probe(server: Server) -> Capabilities:
    """Ask the server what it is, and what this role may see there. Raises `psycopg.Error`."""
    basics = server.row(
        "SELECT current_setting('server_version_num')::int AS version_num,"
        " current_setting('server_version') AS version, current_user AS role,"
        " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,"
        " pg_has_role('pg_read_all_stats', 'USAGE') AS reads_all_stats,"
        " pg_has_role('pg_read_all_data', 'USAGE') AS reads_all_data,"
        " pg_is_in_recovery() AS in_recovery,"
        ' to_char(pg_postmaster_start_time(), \'YYYY-MM-DD"T"HH24:MI:SS"Z"\') AS started_at'
    )
    statements, reason = _statements(server)
    return Capabilities(
        **{**basics, "version": str(basics["version"]).split()[0]},
        system_id=_system_id(server),
        statements=statements,
        statements_reason=reason,
        settings={
            row["name"]: row["setting"]
            for row in server.rows(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%(names)s)",
                {"names": list(SETTINGS)},
            )
        },
        extensions={
            row["extname"]: row["extversion"]
            for row in server.rows("SELECT extname, extversion FROM pg_extension")
        },
    )


def _system_id(server: Server) -> str | None:
    """Whose counters they are. A standby has the identifier of its primary, and its own counts."""
    try:
        found = server.row(
            "SELECT system_identifier::text AS id, pg_is_in_recovery() AS in_recovery,"
            " concat_ws(' ', inet_server_addr(), inet_server_port(),"
            " current_setting('cluster_name')) AS place FROM pg_control_system()"
        )
    except psycopg.Error:
        return None  # for some hosted servers nobody may ask
    if not found["in_recovery"]:
        return str(found["id"])
    return f"{found['id']} standby {crc32(found['place'].encode()):08x}"


def _statements(server: Server) -> tuple[str | None, str | None]:
    if server.statements_schema is None:
        return None, "The extension pg_stat_statements was not made in this database."
    try:
        server.rows(_first_statement(server))
    except psycopg.errors.ObjectNotInPrerequisiteState:
        return None, "pg_stat_statements is not in shared_preload_libraries."
    except psycopg.errors.InsufficientPrivilege:
        return None, "This role may not read pg_stat_statements."
    version: str = server.value(
        "SELECT extversion FROM pg_extension WHERE extname = %(name)s", {"name": STATEMENTS}
    )
    return version, None


def _first_statement(server: Server) -> Any:

    return sql.SQL("SELECT 1 FROM {}(false) LIMIT 1").format(server.statements())


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a section or a check can't do without, and what helps where it is missing."""

    met: Callable[[Capabilities], bool]
    reason: str
    remedy: str


COLUMN_STATISTICS: Final = Need(
    lambda can: can.reads_all_data,
    "This role sees statistics of columns only for tables that it may read.",
    "GRANT pg_read_all_data TO {role};  -- which lets it read all rows, too",
)
STATEMENT_STATISTICS: Final = Need(
    lambda can: can.statements is not None,
    "There are no statistics of statements.",
    "Set shared_preload_libraries = 'pg_stat_statements', restart, and "
    "CREATE EXTENSION pg_stat_statements;",
)
