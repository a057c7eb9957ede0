"""The cumulative statistics that are read as they stand, to be told over a window.

Each view is read by the columns that it has here. What is neither a key nor a gauge is a counter,
so that a column of a coming version takes part without a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from psycopg import sql

from perf.pgstat.capabilities import Capabilities
from perf.pgstat.server import STATEMENTS, Server

type Cell = str | int | float | bool | None
type Key = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A view of PostgreSQL: what names a row of it, and which columns are no counters.

    `since` is the column that says since when a row counts. `left_out` are not read.
    """

    name: str
    keys: tuple[str, ...] = ()
    gauges: frozenset[str] = frozenset()
    since: str | None = None
    left_out: frozenset[str] = frozenset()
    where: str = ""

    def kinds(self, columns: list[str]) -> tuple[list[str], list[str]]:
        """The gauges and the counters among these columns."""
        plain = [name for name in columns if name not in self.keys]
        gauges = [name for name in plain if name in self.gauges or name == self.since]
        return gauges, [name for name in plain if name not in gauges]


_TABLE_GAUGES: Final = frozenset(
    {
        *("schemaname", "relname", "n_live_tup", "n_dead_tup"),
        *("n_mod_since_analyze", "n_ins_since_vacuum"),
        *("last_seq_scan", "last_idx_scan", "last_vacuum", "last_autovacuum"),
        *("last_analyze", "last_autoanalyze"),
    }
)
_INDEX_GAUGES: Final = frozenset({"schemaname", "relname", "indexrelname", "last_idx_scan"})

TABLES: Final = View("pg_stat_user_tables", ("relid",), _TABLE_GAUGES, "stats_reset")
TABLES_IO: Final = View(
    "pg_statio_user_tables", ("relid",), frozenset({"schemaname", "relname"}), "stats_reset"
)
INDEXES: Final = View("pg_stat_user_indexes", ("relid", "indexrelid"), _INDEX_GAUGES, "stats_reset")
INDEXES_IO: Final = View(
    "pg_statio_user_indexes", ("relid", "indexrelid"), _INDEX_GAUGES, "stats_reset"
)
DATABASE: Final = View(
    "pg_stat_database",
    ("datid",),
    frozenset({"datname", "numbackends", "checksum_last_failure"}),
    "stats_reset",
    where="datname = current_database()",
)
BACKGROUND_WRITER: Final = View("pg_stat_bgwriter", since="stats_reset")
CHECKPOINTER: Final = View("pg_stat_checkpointer", since="stats_reset")
WAL: Final = View("pg_stat_wal", since="stats_reset")
IO: Final = View(
    "pg_stat_io",
    ("backend_type", "object", "context"),
    frozenset({"op_bytes"}),
    "stats_reset",
)
# Means and deviations can't be told over a window: they come from the sums.
STATEMENT_COUNTS: Final = View(
    STATEMENTS,
    ("userid", "dbid", "queryid", "toplevel"),
    frozenset(
        f"{which}_{kind}_time"
        for which in ("min", "max", "mean", "stddev")
        for kind in ("exec", "plan")
    ),
    "stats_since",
    left_out=frozenset({"query", "minmax_stats_since"}),
    where="dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
)
STATEMENT_INFO: Final = View(f"{STATEMENTS}_info", since="stats_reset")
# No view of PostgreSQL, but taken with them: growth is told from it.
SIZES: Final = View(
    "sizes",
    ("relid",),
    frozenset(
        {
            *("schemaname", "relname", "relkind", "heap_bytes", "index_bytes", "toast_bytes"),
            *("estimated_rows", "is_estimate"),
        }
    ),
)

VIEWS: Final = (
    TABLES,
    TABLES_IO,
    INDEXES,
    INDEXES_IO,
    DATABASE,
    BACKGROUND_WRITER,
    CHECKPOINTER,
    WAL,
    IO,
    STATEMENT_COUNTS,
    STATEMENT_INFO,
)


@dataclass(frozen=True, slots=True)
class Captured:
    """A view as it stood: the values of each column, in the order of the rows."""

    columns: dict[str, list[Cell]]

    @classmethod
    def of(cls, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Captured:
        """What a statement has returned, with values that a file can hold."""
        values = zip(*rows, strict=True) if rows else ((),) * len(names)
        return cls({name: _plain(each) for name, each in zip(names, values, strict=True)})

    def rows(self) -> Iterator[dict[str, Cell]]:
        """Its rows."""
        names = list(self.columns)
        for cells in zip(*self.columns.values(), strict=True):
            yield dict(zip(names, cells, strict=True))

    def keyed(self, view: View) -> dict[Key, dict[str, Cell]]:
        """The rows by their keys, of which an old view may lack one: `toplevel` came with 1.9."""
        return {tuple(row.get(name) for name in view.keys): row for row in self.rows()}

    def first(self, name: str) -> Cell:
        """A value of its first row; None where it has no such column or no row."""
        return next(iter(self.columns.get(name, ())), None)


@dataclass(frozen=True, slots=True)
class Sample:
    """All views at one moment. One that is missing here, or can't be read, is not in it."""

    taken_at: datetime
    started_at: str | None  # the server, which forgets in a crash
    views: dict[str, Captured] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # and why


def capture(server: Server, view: View, can: Capabilities) -> Captured | None:
    """A view as it stands, None where there is none. One statement. Raises `psycopg.Error`."""
    is_statements = view.name.startswith(STATEMENTS)
    if is_statements and can.statements is None:
        return None
    columns = sorted(server.columns(view.name) - view.left_out)
    if not columns:
        return None
    source: Any = sql.Identifier(view.name)
    if is_statements:
        source = server.statements(view.name)
    if view is STATEMENT_COUNTS:  # without their texts, which would be most of it
        source = sql.SQL("{}(false)").format(source)
    statement = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), source
    )
    if view.where:
        statement += sql.SQL(" WHERE " + view.where)
    return Captured.of(columns, server.tuples(statement))


def _plain(values: Sequence[Any]) -> list[Cell]:
    """Values as JSON has them. All of a column are of one type, so that the first one tells."""
    known = next((each for each in values if each is not None), None)
    if isinstance(known, datetime):
        return [each and each.astimezone(UTC).isoformat(timespec="microseconds") for each in values]
    if isinstance(known, Decimal):
        return [None if each is None else int(each) for each in values]  # bytes of WAL
    return list(values)
