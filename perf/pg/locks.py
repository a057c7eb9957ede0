"""Who may make, use and drop the lab's databases: locks of the server, which all its clients see.

A folder of runs has a lock of its own (`history.alone`), but two folders, or two machines, may have
one server. The locks are advisory ones of a session, on the database from which Django makes
others ("postgres"), so that projects with other databases are kept apart too. A process that ends,
in whatever way, gives them back. Through a pooler that shares sessions they protect nothing, as
they would be taken in a session of somebody else: the lab needs the server itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection

_LAB: Final = 0x70657266  # "perf": the first of the two numbers of a lock
_MAKING: Final = 1
_USING: Final = 2
_AGAIN_S: Final = 0.5  # asked again and again: a role may have a time limit for waiting


class InUse(RuntimeError):
    """The databases are used by a run, which may be one of another folder or machine."""


@contextmanager
def making(tell: Callable[[str], object]) -> Iterator[None]:
    """Be the only one who fills or copies a database. Waits while another does, and `tell`s so."""
    with _session() as cursor:
        if not _taken(cursor, "pg_try_advisory_lock", _MAKING):
            tell("Another process fills or copies databases on this server: waiting for it.")
            _wait_for(cursor, "pg_try_advisory_lock", _MAKING)
        yield


@contextmanager
def using() -> Iterator[None]:
    """Have the databases stay: as many as like may use them at a time. Waits for who drops some."""
    with _session() as cursor:
        _wait_for(cursor, "pg_try_advisory_lock_shared", _USING)
        yield


@contextmanager
def dropping() -> Iterator[None]:
    """Be the only one who has to do with the databases. Raises `InUse` if another has."""
    with _session() as cursor:
        if not _taken(cursor, "pg_try_advisory_lock", _USING):
            raise InUse("Another run is being made on this server: wait for its end.")
        yield


@contextmanager
def _session() -> Iterator[Any]:
    """A cursor in a session of its own, which lives as long as the block."""
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT set_config('idle_session_timeout', '0', false)")
        yield cursor


def _taken(cursor: Any, function: str, lock: int) -> bool:
    cursor.execute(f"SELECT {function}(%s, %s)", [_LAB, lock])
    return bool(cursor.fetchone()[0])


def _wait_for(cursor: Any, function: str, lock: int) -> None:
    while not _taken(cursor, function, lock):
        time.sleep(_AGAIN_S)
