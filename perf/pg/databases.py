"""The lab's own databases: one for each dataset and size is made once and kept, runs use copies.

Nothing is ever written to the application's database. Databases are made, copied and dropped by
Django's own code for test databases, so whatever a project's backend does there holds here.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from perf.catalogue import Dataset
from perf.pg import locks

PREFIX: Final = "perf_"
# Another project may have a database that begins so too: the whole form must fit.
_OURS: Final = re.compile(rf"{PREFIX}[a-z][a-z0-9_]*_\d+_[0-9a-f]{{8}}(?P<copy>_copy\d+)?")
_FILLED: Final = "filled by the lab"  # the database's comment, written last
_COPY: Final = "copy"
_DIGITS: Final = 8  # of a copy's number: with them a name has 63 bytes at most
# Plans must not depend on how busy the machine is, or on how often a statement was run.
SETTINGS: Final = {"jit": "off", "max_parallel_workers_per_gather": "0", "statement_timeout": "0"}


class NotMade(RuntimeError):
    """A database can't be made, such as by a role that may not. The reason was told."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A database of the lab as it lies on the server."""

    name: str
    size_bytes: int
    is_filled: bool
    is_copy: bool


def kept_name(dataset: Dataset, size: int) -> str:
    """The name of the database for that dataset at that size.

    It changes with the dataset's version and with any migration, as its rows and tables would.
    """
    found = sorted(MigrationLoader(None, ignore_no_migrations=True).disk_migrations or {})
    text = repr((dataset.name, dataset.version, found))
    digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    return f"{PREFIX}{dataset.name}_{size}_{digest}"


def kept_databases() -> list[Kept]:
    """The lab's databases on this server, by name. One statement, on the application's database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT datname, pg_database_size(oid), shobj_description(oid, 'pg_database')"
            " FROM pg_database WHERE starts_with(datname, %s) ORDER BY datname",
            [PREFIX],
        )
        rows = cursor.fetchall()
    return [
        Kept(name, size, comment == _FILLED, found["copy"] is not None)
        for name, size, comment in rows
        if (found := _OURS.fullmatch(name))
    ]


def is_filled(name: str) -> bool:
    """Whether that database is there, and was filled to the end."""
    return any(each.name == name and each.is_filled for each in kept_databases())


def _nothing(text: str) -> None:
    """Tell nobody."""


def fill(dataset: Dataset, size: int, tell: Callable[[str], object] = _nothing) -> str:
    """Make the database for a dataset at a size, in the place of a half-filled one; its name.

    Waits while another process makes one, and `tell`s so: it may have been this one, which then
    stays. Statistics are gathered, all pages are marked visible, and autovacuum is turned off: what
    the planner knows and where rows lie is the same in each run.
    """
    name = kept_name(dataset, size)
    with locks.making(tell):
        if not is_filled(name):
            _fill(dataset, size, name)
    return name


def _fill(dataset: Dataset, size: int, name: str) -> None:
    with _named(name):
        own = connection.settings_dict["NAME"]
        with _gone_if_it_fails(name), _back_to(own), _refusing(name):
            connection.creation.create_test_db(verbosity=0, autoclobber=True)
        try:
            dataset.fill(size)
            with dataset.as_owner():
                _settle(name)
        except BaseException as error:
            connection.creation.destroy_test_db(own, verbosity=0)
            if isinstance(error, Exception):
                told = f"{type(error).__name__}: {error}"
                raise NotMade(f"The database {name} could not be filled: {told}") from error
            raise
        connection.creation.destroy_test_db(own, verbosity=0, keepdb=True)


def _settle(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid > 16383"
        )
        for (table,) in cursor.fetchall():
            # regclass quotes names that need it.
            cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        cursor.execute("VACUUM (FREEZE, ANALYZE)")
        comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
        cursor.execute(comment.format(sql.Identifier(name), sql.Literal(_FILLED)))


@contextmanager
def copied(name: str, tag: int, tell: Callable[[str], object] = _nothing) -> Iterator[str]:
    """A copy of a database for one run, dropped afterwards; its name.

    It ends with `tag`, or with another number where that is taken: processes of two machines, or of
    two containers, may well have one id. Waits and `tell`s as `fill` does.
    """
    with locks.making(tell):
        suffix = f"{_COPY}{_free(name, tag)}"
        copy = f"{name}_{suffix}"
        with _gone_if_it_fails(copy), _as_current(name), _refusing(copy):
            connection.creation.clone_test_db(suffix, verbosity=0)
    try:
        yield copy
    finally:
        _end_sessions(copy)
        drop(copy)


def _end_sessions(name: str) -> None:
    """End what a worker that was killed has left at work in a copy, which is in use by it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND usename = current_user",
            [name],
        )


def _free(name: str, tag: int) -> int:
    taken = {each.name for each in kept_databases()}
    while f"{name}_{_COPY}{tag}" in taken:
        tag = secrets.randbelow(10**_DIGITS)
    return tag


def drop(name: str) -> None:
    """Drop one of the lab's databases. Raises `ValueError` for the name of any other."""
    if not _OURS.fullmatch(name):
        raise ValueError(f"{name} is no database of the lab.")
    own = connection.settings_dict["NAME"]
    with _as_current(name):
        connection.creation.destroy_test_db(own, verbosity=0)


@contextmanager
def using(name: str) -> Iterator[None]:
    """Have Django's default connection be on that database, with the lab's settings of planning.

    Keys in every cache get the database's name as their prefix, and are deleted at the end, where
    the cache can delete by pattern: rows of the lab and of the application have the same ids.
    """
    options: dict[str, Any] = dict(connection.settings_dict["OPTIONS"])
    more = " ".join(f"-c {key}={value}" for key, value in SETTINGS.items())
    options["options"] = f"{options.get('options', '')} {more}".strip()
    own = connection.settings_dict["OPTIONS"]
    with _as_current(name), _caches_of(name):
        connection.settings_dict["OPTIONS"] = options
        try:
            yield
        finally:
            disconnect()
            connection.settings_dict["OPTIONS"] = own


@contextmanager
def _as_current(name: str) -> Iterator[None]:
    own = connection.settings_dict["NAME"]
    disconnect()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        disconnect()
        connection.settings_dict["NAME"] = own


@contextmanager
def _back_to(own: str) -> Iterator[None]:
    """Be on the database of before again if the block fails amid making another."""
    try:
        yield
    except BaseException:
        disconnect()
        settings.DATABASES[connection.alias]["NAME"] = connection.settings_dict["NAME"] = own
        raise


@contextmanager
def _gone_if_it_fails(name: str) -> Iterator[None]:
    """Leave nothing of a database that is being made, by Ctrl-C amid its migrations or otherwise.
    The error is the one that is told, also where the server that fails has no answer to this."""
    try:
        yield
    except BaseException:
        with suppress(DatabaseError, SystemExit):
            if any(each.name == name and not each.is_filled for each in kept_databases()):
                drop(name)
        raise


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Django ends the whole process where a database can't be made. It has told why."""
    try:
        yield
    except SystemExit as error:
        raise NotMade(f"PostgreSQL does not make the database {name}.") from error


@contextmanager
def _named(name: str) -> Iterator[None]:
    """The name that Django gives to the test database it makes."""
    own = connection.settings_dict["TEST"]["NAME"]
    connection.settings_dict["TEST"]["NAME"] = name
    try:
        yield
    finally:
        connection.settings_dict["TEST"]["NAME"] = own


@contextmanager
def _caches_of(name: str) -> Iterator[None]:
    found: list[BaseCache] = [caches[alias] for alias in caches.settings]
    own = [each.key_prefix for each in found]
    for each in found:
        each.key_prefix = name
    try:
        yield
    finally:
        for each, prefix in zip(found, own, strict=True):
            delete = getattr(each, "delete_pattern", None)
            if delete is not None:
                delete("*")
            each.key_prefix = prefix


def disconnect() -> None:
    """Have the next statement open a new session."""
    database: Any = connection
    database.close()
    database.close_pool()
