"""What the tests say to PostgreSQL itself: raw statements, other roles, other settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db import connection as _connection
from psycopg.rows import TupleRow

from taskproject.db.backend.base import DatabaseWrapper
from taskproject.db.isolation import TENANT_SETTING

type Session = psycopg.Connection[TupleRow]

connection: Any = _connection

RLS_VIOLATION = "42501"
FOREIGN_KEY_VIOLATION = "23503"
UNIQUE_VIOLATION = "23505"


def fetch(sql: str, params: Any = None) -> list[Any]:
    """The rows of a raw statement of the app role; of one column, its values."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Any] = cursor.fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


def execute(sql: str, params: Any = None) -> int:
    """Run a raw statement as the app role and return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of a database error of Django."""
    return getattr(error.__cause__, "sqlstate", None)


def refusal(write: Callable[[], Any]) -> str | None:
    """The SQLSTATE with which PostgreSQL refuses what `write` does."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        write()
    return sqlstate(caught.value)


def refusal_of(sql: str, params: Any = None) -> str | None:
    """The SQLSTATE with which PostgreSQL refuses a statement of the app role."""
    return refusal(lambda: execute(sql, params))


def touched(sql: str, params: Any = None) -> int:
    """How many rows a statement changes; none where the privilege is not granted."""
    try:
        with transaction.atomic():
            return execute(sql, params)
    except DatabaseError as error:
        if sqlstate(error) != RLS_VIOLATION:
            raise
        return 0


def told_tenant() -> str:
    """The tenant that PostgreSQL itself believes to be active, as text."""
    (value,) = fetch(f"SELECT coalesce(current_setting('{TENANT_SETTING}', true), '')")
    return str(value)


def connect(role: str) -> Session:
    """A session beside Django's in the test database: of the `app`, `owner` or `superuser` role."""
    place = connection.settings_dict
    login = {"user": place["USER"], "password": place["PASSWORD"]}
    if role == "owner":
        login = {"user": place["OWNER"]["USER"], "password": place["OWNER"]["PASSWORD"]}
    if role == "superuser":
        if settings.EMBEDDED is None:
            pytest.skip("needs a superuser, which only the embedded server hands out")
        return psycopg.connect(settings.EMBEDDED.superuser, dbname=place["NAME"])
    return psycopg.connect(
        host=place["HOST"], port=place["PORT"] or None, dbname=place["NAME"], **login
    )


@contextmanager
def session(role: str) -> Iterator[Session]:
    """Such a session, whose work is rolled back at the end unless it commits itself."""
    opened = connect(role)
    try:
        yield opened
        opened.rollback()
    finally:
        opened.close()


@contextmanager
def committed(role: str, sql: str, undo: str) -> Iterator[None]:
    """Another role's statement, committed for the block and undone after it."""
    with session(role) as opened:
        opened.autocommit = True
        opened.execute(sql)
        try:
            yield
        finally:
            opened.execute(undo)


@contextmanager
def database(*, pool: dict[str, Any] | None = None, **changes: Any) -> Iterator[None]:
    """Other settings of the connection, with a new pool; `pool` changes options of the pool.

    Only for transactional tests, outside a transaction. All that this process verified before is
    forgotten, so that it is verified anew.
    """
    place, before = connection.settings_dict, dict(connection.settings_dict)
    _start_afresh()
    if pool is not None:
        options = {**before["OPTIONS"], **changes.pop("OPTIONS", {})}
        changes["OPTIONS"] = {**options, "pool": {**options["pool"], **pool}}
    place.update(changes)
    try:
        yield
    finally:
        _start_afresh()
        place.clear()
        place.update(before)


def _start_afresh() -> None:
    connection.close()
    connection.close_pool()
    DatabaseWrapper._verified.clear()
