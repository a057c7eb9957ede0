"""Cursors that bring the active tenant along, and the pool's check that does so at checkout.

A psycopg connection remembers, in `bound_tenant`, which tenant its session was last told of: an id
as text, an empty string for none, or None when unknown, as after a rollback. A statement that runs
for another tenant takes the setting with it in the same message, so a change of tenant costs no
round trip; and since this happens when the statement runs, not when the context is entered, a
cursor can't outlive the context it was made in.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from psycopg.pq import TransactionStatus

from taskproject.db.context import TenantChanged, tenant_setting
from taskproject.db.isolation import TENANT_SETTING

if TYPE_CHECKING:
    from psycopg import ClientCursor

    Cursor = ClientCursor[Any]
else:
    from django.db.backends.postgresql.base import Cursor


def check_out(connection: Any) -> None:
    """Take a connection from the pool as if nothing were known of it. No round trip.

    This is the pool's `check` callback. It runs in the thread that asks for a connection, at each
    checkout: whatever tenant the last user left behind, the first statement brings the right one
    along. A server that has ended its side has said so in the socket, which is looked at: raises
    `OperationalError` then, and the pool takes another connection. A network that fell silent is
    noticed by the first statement, as it would be by a question before it.
    """
    # Given back amid a transaction, it would begin another here and could not be used any more.
    if not connection.autocommit:
        connection.autocommit = True
    note_binding(connection, None)
    watch = select.poll()
    watch.register(connection.fileno(), select.POLLIN)
    while watch.poll(0):
        connection.pgconn.consume_input()


def note_binding(connection: Any, value: str | None) -> None:
    """Remember which tenant a session knows, and whether that can still be rolled back."""
    connection.bound_tenant = value
    connection.bound_amid = connection.info.transaction_status != TransactionStatus.IDLE


def session_binding(connection: Any) -> str:
    """The statement that tells a session of the active tenant; empty if it knows that one, or can't
    be told now."""
    value = tenant_setting()
    if _status(connection) == TransactionStatus.INERROR or _known_tenant(connection) == value:
        return ""
    return f"SELECT set_config('{TENANT_SETTING}', '{value}', false)"


def _known_tenant(connection: Any) -> str | None:
    """The tenant that a session was told of, unless that may have been rolled back since."""
    amid = getattr(connection, "bound_amid", False)
    if amid and _status(connection) == TransactionStatus.IDLE:
        # The transaction in which it was told has ended, nobody knows how: COMMIT of a failed
        # transaction is a rollback too.
        return None
    known: str | None = getattr(connection, "bound_tenant", None)
    return known


def _status(connection: Any) -> int:
    status: int = connection.pgconn.transaction_status
    return status


class SessionBoundCursor(Cursor):
    """Keeps the session's setting equal to the active tenant."""

    connection: Any  # a psycopg connection with `bound_tenant` and `bound_amid`

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        binding = self._binding()
        if not binding:
            super().execute(query, params, **kwargs)
            if self.statusmessage == "ROLLBACK":  # sent as text, perhaps to a savepoint
                self.connection.bound_tenant = None
            return self
        super().execute(f"{binding}; {self._text(query)}", params, **kwargs)
        self._note()
        if self.nextset() is None:
            # Nothing but a comment went along: what it gives by itself is its caller's.
            super().execute(query, params, **kwargs)
        return self

    def executemany(self, query: Any, params_seq: Any, **kwargs: Any) -> None:
        self.bind()
        super().executemany(query, params_seq, **kwargs)

    def copy(self, statement: Any, params: Any = None, **kwargs: Any) -> Any:
        self.bind()
        return super().copy(statement, params, **kwargs)

    def stream(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        self.bind()
        return super().stream(query, params, **kwargs)

    def bind(self) -> None:
        """Send the setting by itself, where it can't travel with a statement. One round trip,
        and none when the session knows the tenant already."""
        if binding := self._binding():
            super().execute(binding)
            self._note()

    def _binding(self) -> str:
        return session_binding(self.connection)

    def _note(self) -> None:
        note_binding(self.connection, tenant_setting())

    def _text(self, query: Any) -> str:
        if isinstance(query, bytes):
            return query.decode()
        return query if isinstance(query, str) else str(query.as_string(self.connection))


class TransactionBoundCursor(SessionBoundCursor):
    """Sets the tenant for one transaction at a time: for a pooler that hands sessions around.

    A message of two statements is one implicit transaction, so SET LOCAL holds in autocommit too.
    SET LOCAL with a literal and not set_config(), because that form also reaches Citus workers.
    """

    def bind(self) -> None:
        """Open the transaction with the setting. In autocommit there is none to open."""
        if self.connection.autocommit:
            if not tenant_setting():
                return
            raise RuntimeError(
                "Behind a transaction pooler this needs transaction.atomic(): executemany, COPY "
                "and server-side cursors can't carry a tenant by themselves."
            )
        super().bind()

    def _binding(self) -> str:
        if _status(self.connection) == TransactionStatus.IDLE:
            # The next statement opens a transaction. It is told even of no tenant: a setting of the
            # database or the role may name one.
            self.connection.bound_tenant = None
        if not super()._binding():
            return ""
        return f"SET LOCAL {TENANT_SETTING} = '{tenant_setting()}'"


class TenantRows:
    """A server-side cursor that gives its rows only to the tenant that opened it.

    The policies read the session's setting at each fetch again, not once when the cursor is opened:
    rows fetched while another tenant is active would be that tenant's. Raises `TenantChanged`.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._tenant = tenant_setting()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    def fetchone(self) -> Any:
        self._bind()
        return self._cursor.fetchone()

    def fetchmany(self, size: int = 0) -> Any:
        self._bind()
        return self._cursor.fetchmany(size)

    def fetchall(self) -> Any:
        self._bind()
        return self._cursor.fetchall()

    def _bind(self) -> None:
        if tenant_setting() != self._tenant:
            raise TenantChanged(
                "These rows were asked for in another tenant's context: read them to the end there."
            )
        # No statement if the session is there still, as it is unless others ran between.
        with self._cursor.connection.cursor() as cursor:
            cursor.bind()
