"""The connection that a look is taken through: of its own, in autocommit, reading only, impatient.

Not Django's: statistics freeze at their first reading in a transaction, and a report must neither
wait for somebody's lock nor hold one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import dict_row, tuple_row

APPLICATION_NAME: Final = "pgstat"
# Stands behind each statement, so that a report of statements can tell its own.
MARK: Final = "/* pgstat */"
STATEMENT_TIMEOUT_MS: Final = 15_000
LOCK_TIMEOUT_MS: Final = 500
CONNECT_TIMEOUT_S: Final = 5
# The one view that may stand in any schema.
STATEMENTS: Final = "pg_stat_statements"

_SESSION: Final = {
    "statement_timeout": f"{STATEMENT_TIMEOUT_MS}ms",
    "lock_timeout": f"{LOCK_TIMEOUT_MS}ms",
    "default_transaction_read_only": "on",
    "search_path": "pg_catalog",
    "timezone": "UTC",
    "jit": "off",
}


class Server:
    """A session on the server, and what may be asked of it. Not to be shared between threads."""

    def __init__(self, session: psycopg.Connection[dict[str, Any]]) -> None:
        self.session = session
        self.asked = 0  # statements so far, each of which is a transaction
        self._columns: dict[str, frozenset[str]] = {}

    @property
    def database(self) -> str:
        """The name of the database."""
        return self.session.info.dbname

    def rows(self, statement: Any, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a statement, as dictionaries. Raises `psycopg.Error`.

        In a statement without values `%` is a plain character.
        """
        self.asked += 1
        return self.session.execute(_marked(statement), values).fetchall()

    def tuples(self, statement: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement, as tuples: for many of them. Raises `psycopg.Error`."""
        self.asked += 1
        with self.session.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(_marked(statement)).fetchall()

    def row(self, statement: Any, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The only row. Raises `LookupError` where there is none."""
        for row in self.rows(statement, values):
            return row
        raise LookupError("The statement has no row.")

    def value(self, statement: Any, values: Mapping[str, Any] | None = None) -> Any:
        """The first value of the first row, None without one."""
        rows = self.rows(statement, values)
        return next(iter(rows[0].values())) if rows else None

    def columns(self, view: str) -> frozenset[str]:
        """The columns that a view has on this server; none where there is no such view.

        What is asked is decided by them and not by the version: an extension may be older than its
        server. One statement for each view, once.
        """
        if view not in self._columns:
            schema = self.statements_schema if view.startswith(STATEMENTS) else "pg_catalog"
            found = self.rows(
                "SELECT attname FROM pg_attribute"
                " JOIN pg_class ON pg_class.oid = attrelid"
                " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
                " WHERE nspname = %(schema)s AND relname = %(view)s"
                " AND attnum > 0 AND NOT attisdropped",
                {"schema": schema, "view": view},
            )
            self._columns[view] = frozenset(row["attname"] for row in found)
        return self._columns[view]

    def has(self, view: str, *columns: str) -> bool:
        """Whether there is such a view, with all of these columns."""
        found = self.columns(view)
        return bool(found) and found.issuperset(columns)

    @cached_property
    def statements_schema(self) -> str | None:
        """The schema that pg_stat_statements was made in, None where it was not."""
        found: str | None = self.value(
            "SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace"
            " WHERE extname = %(name)s",
            {"name": STATEMENTS},
        )
        return found

    def statements(self, name: str = STATEMENTS) -> sql.Identifier:
        """A view or function of pg_stat_statements, with its schema."""
        return sql.Identifier(self.statements_schema or "public", name)


@contextmanager
def opened(**parameters: Any) -> Iterator[Server]:
    """A session for a look, through these parameters of psycopg.

    Raises `psycopg.OperationalError` where nobody answers within 5 s.
    """
    with psycopg.connect(
        **parameters,
        autocommit=True,
        row_factory=dict_row,
        application_name=APPLICATION_NAME,
        connect_timeout=CONNECT_TIMEOUT_S,
    ) as session:
        # Not in the connection's options: a pooler in between refuses some of them.
        for name, value in _SESSION.items():
            session.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        yield Server(session)


def _marked(statement: Any) -> Any:
    if isinstance(statement, str):
        return f"{statement} {MARK}"
    return sql.Composed([statement, sql.SQL(f" {MARK}")])
