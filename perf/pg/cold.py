"""Calls that find nothing in PostgreSQL's memory: its buffers are emptied before each of them.

The system's own cache of files stays warm: what is measured is the way from there, not from a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from django.core.exceptions import ImproperlyConfigured

from perf.catalogue import NotHere

_VERSION: Final = 180_000


def check(superuser_url: str, database: str) -> None:
    """Raises `ImproperlyConfigured` where nobody is reached there, or no superuser: before a run,
    as each of its pairs would only fail in turn."""
    try:
        with psycopg.connect(superuser_url, dbname=database) as connection:
            found = connection.execute("SHOW is_superuser").fetchone()
    except psycopg.Error as error:
        raise ImproperlyConfigured(f"The superuser's URL leads nowhere: {error}") from error
    if found != ("on",):
        raise ImproperlyConfigured("The role of the superuser's URL is no superuser.")


@contextmanager
def evicting(superuser_url: str, database: str) -> Iterator[Callable[[], None]]:
    """What empties the buffers of the server, through a connection of a superuser.

    PostgreSQL 18 is the first that can, by its extension pg_buffercache, which is made in
    `database`. Raises `NotHere` without a superuser, and on older servers.
    """
    if not superuser_url:
        raise NotHere("only a superuser may empty PostgreSQL's buffers: give --superuser-url")
    with psycopg.connect(superuser_url, dbname=database, autocommit=True) as connection:
        if connection.info.server_version < _VERSION:
            raise NotHere("PostgreSQL can empty its buffers from version 18 on")
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_buffercache")

        def evict() -> None:
            # What is dirty can't be dropped before it is written.
            connection.execute("CHECKPOINT")
            connection.execute("SELECT pg_buffercache_evict_all()")

        yield evict
