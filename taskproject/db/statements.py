"""Statements that are written once and run with many requests, each time in one round trip.

On a session of its own a statement is prepared at its first run, and from then on only its name and
its values are sent, by libpq's own functions on Django's own connection: psycopg's cursors cost as
much CPU again as reading the answer. It goes through the connection's execute wrappers like any
other. Behind a transaction pooler, where the next transaction may meet another session, and while
Django logs queries, it goes through Django's cursor instead: same text, same answer.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import OperationalError, errors
from psycopg.pq import DiagnosticField, Escaping, ExecStatus, TransactionStatus

from taskproject.db.backend.cursors import note_binding, session_binding
from taskproject.db.context import require_tenant_id, tenant_setting
from taskproject.db.slots import TENANT

PREPARED_MAX: Final = 100  # of a connection; a page of tasks takes 200 to 350 KiB
_SLOT: Final = re.compile("\0(\\w+)\0")

Row = tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with slots, each of which may stand in it several times.

    `text` is as libpq takes it, `portable` as Django's cursors do. All its columns must be text.
    """

    text: str
    slots: tuple[str, ...]
    portable: str = field(repr=False)
    portable_slots: tuple[str, ...] = field(repr=False)
    name: bytes = field(repr=False)

    @classmethod
    def of(cls, marked: str) -> Statement:
        """The statement of a text in which `slot` has marked the slots."""
        names = tuple(dict.fromkeys(_SLOT.findall(marked)))
        text = _SLOT.sub(lambda found: f"${names.index(found[1]) + 1}", marked)
        return cls(
            text=text,
            slots=names,
            portable=_SLOT.sub("%s", marked.replace("%", "%%")),
            portable_slots=tuple(_SLOT.findall(marked)),
            name=b"tp_" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest().encode(),
        )


def run(statement: Statement, values: Mapping[str, Any], *, prepare: bool = True) -> list[Row]:
    """The rows of a statement, whose TENANT is the active one. One round trip, two at its first run
    on a connection.

    `values` has a value for each other slot: None, a text, a number or a time. With `prepare` false
    the statement is one that will not come again. Raises Django's database errors, `TenantNotSet`
    outside of a tenant, `KeyError` for a slot without a value.
    """
    connection: Any = connections[DEFAULT_DB_ALIAS]
    filled = {**values, TENANT: require_tenant_id()}
    connection.ensure_connection()
    if not prepare or _needs_cursor(connection):
        return _run_by_cursor(connection, statement, filled)
    connection.validate_thread_sharing()
    connection.validate_no_broken_transaction()
    cursor = _PreparedCursor(connection, statement)
    execute: Any = cursor.execute
    for wrapper in reversed(connection.execute_wrappers):
        execute = functools.partial(wrapper, execute)
    params = tuple(_as_text(filled[name]) for name in statement.slots)
    execute(statement.text, params, False, {"connection": connection, "cursor": cursor})
    return cursor.rows


class _PreparedCursor:
    """Runs one statement as a prepared one, and for execute wrappers whatever else they ask for.

    A wrapper that puts words in front of the statement, as EXPLAIN is, gets them in front of the
    prepared one, and so the plan that is really used. What it changes in another way, such as a
    comment behind the statement, is sent unprepared.
    """

    def __init__(self, connection: Any, statement: Statement) -> None:
        self._connection = connection
        self._statement = statement
        self.rows: list[Row] = []

    @property
    def rowcount(self) -> int:
        """How many rows are there, as other cursors tell it."""
        return len(self.rows)

    def execute(self, sql: str, params: Any, many: bool, context: Any) -> None:
        with self._connection.wrap_database_errors:
            if sql.endswith(self._statement.text):
                self.rows = self._run(sql.removesuffix(self._statement.text), params)
            else:
                self.rows = self._run_other(sql, params)

    def fetchone(self) -> tuple[str | None, ...] | None:
        """The next row, as text."""
        if not self.rows:
            return None
        return tuple(None if each is None else each.decode() for each in self.rows.pop(0))

    def fetchall(self) -> list[tuple[str | None, ...]]:
        """The rows that are left, as text."""
        found: list[tuple[str | None, ...]] = []
        while (row := self.fetchone()) is not None:
            found.append(row)
        return found

    def _run(self, before: str, params: tuple[str | None, ...]) -> list[Row]:
        psycopg_connection = self._connection.connection
        try:
            return self._sent(psycopg_connection, before, params)
        except errors.InvalidSqlStatementName:
            # Somebody has sent DEALLOCATE ALL or DISCARD ALL. Amid a transaction all is lost.
            prepared_on(psycopg_connection).clear()
            if psycopg_connection.pgconn.transaction_status != TransactionStatus.IDLE:
                raise
            return self._sent(psycopg_connection, before, params)

    def _run_other(self, sql: str, params: tuple[str | None, ...]) -> list[Row]:
        connection = self._connection.connection
        with connection.cursor() as cursor:
            cursor.bind()
        return _rows_of(connection.pgconn.exec_params(sql.encode(), _encoded(params)))

    def _sent(self, connection: Any, before: str, params: tuple[str | None, ...]) -> list[Row]:
        pgconn = connection.pgconn
        self._prepare(connection)
        binding = session_binding(connection)
        if binding or before:
            result = pgconn.exec_(f"{binding};{before}{self._call(pgconn, params)}".encode())
        else:
            result = pgconn.exec_prepared(self._statement.name, _encoded(params))
        rows = _rows_of(result)
        if binding:
            note_binding(connection, tenant_setting())
        return rows

    def _prepare(self, connection: Any) -> None:
        prepared = prepared_on(connection)
        name = self._statement.name
        if name in prepared:
            prepared.move_to_end(name)
            return
        result = connection.pgconn.prepare(name, self._statement.text.encode())
        if result.status != ExecStatus.COMMAND_OK:
            raise _error_of(result)
        prepared[name] = None
        if len(prepared) > PREPARED_MAX:
            oldest, _ = prepared.popitem(last=False)
            connection.pgconn.exec_(b"DEALLOCATE " + oldest)

    def _call(self, pgconn: Any, params: tuple[str | None, ...]) -> str:
        """The statement as one that can share a message with the binding."""
        quote = Escaping(pgconn).escape_literal
        given = ", ".join(
            "NULL" if each is None else bytes(quote(each.encode())).decode() for each in params
        )
        arguments = f"({given})" if given else ""
        return f"EXECUTE {self._statement.name.decode()}{arguments}"


def _encoded(params: tuple[str | None, ...]) -> list[bytes | None]:
    return [None if each is None else each.encode() for each in params]


def _rows_of(result: Any) -> list[Row]:
    if result.status != ExecStatus.TUPLES_OK:
        raise _error_of(result)
    return [
        tuple(result.get_value(row, column) for column in range(result.nfields))
        for row in range(result.ntuples)
    ]


def _error_of(result: Any) -> Exception:
    """The error of psycopg for a result. One without a SQLSTATE is not PostgreSQL's: libpq has lost
    the connection."""
    if result.error_field(DiagnosticField.SQLSTATE) is None:
        return OperationalError(result.error_message.decode(errors="replace"))
    return errors.error_from_result(result)


def prepared_on(connection: Any) -> OrderedDict[bytes, None]:
    """The names of the statements that are prepared on a psycopg connection, the last used last."""
    names: OrderedDict[bytes, None] | None = getattr(connection, "prepared_statements", None)
    if names is None:
        names = connection.prepared_statements = OrderedDict()
    return names


def _needs_cursor(connection: Any) -> bool:
    """Whether the statement can't be prepared here, or somebody wants to see it in Django's log."""
    if connection.binds_by_transaction or connection.acts_as_owner or connection.queries_logged:
        return True
    # psycopg begins a transaction with the first statement of its own cursors, and of no others.
    begun = connection.connection.info.transaction_status != TransactionStatus.IDLE
    return not (connection.get_autocommit() or begun)


def _run_by_cursor(connection: Any, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
    params = [_as_text(values[name]) for name in statement.portable_slots]
    with connection.cursor() as cursor:
        cursor.execute(statement.portable, params)
        found = cursor.fetchall()
    return [tuple(None if each is None else each.encode() for each in row) for row in found]


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return str(int(value))
