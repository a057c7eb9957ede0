"""How a look reaches a database of the project: Django's settings say where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.conninfo import make_conninfo

from perf.pgstat.server import Server, opened


@contextmanager
def connected(url: str | None = None, *, alias: str = DEFAULT_DB_ALIAS) -> Iterator[Server]:
    """A session for a look at a database of the project, through `url` if one is given.

    Without one it is through the setting `DATABASE_STATS_URL`, or else as the application itself.
    Raises `psycopg.OperationalError` where nobody answers within 5 s, and `ImproperlyConfigured`
    for a database that is not PostgreSQL.
    """
    with opened(**_parameters(url, alias)) as server:
        yield server


def conninfo(*, alias: str = DEFAULT_DB_ALIAS) -> str:
    """How libpq reaches the database of the alias as a look does, for who knows no Django.

    Raises `ImproperlyConfigured` as `connected` does.
    """
    return make_conninfo(**_parameters(None, alias))


def _parameters(url: str | None, alias: str) -> dict[str, Any]:
    connection: Any = connections[alias]
    if connection.vendor != "postgresql":
        raise ImproperlyConfigured(f"{alias} is {connection.display_name}: this is for PostgreSQL.")
    own = connection.settings_dict
    database = {"dbname": own["NAME"]}
    if found := url or getattr(settings, "DATABASE_STATS_URL", ""):
        # The database of the alias, whichever the address names: a test has another.
        return {"conninfo": found, **database}
    names = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
    given = {ours: own[theirs] for theirs, ours in names.items() if own.get(theirs)}
    known = ("sslmode", "sslrootcert", "sslcert", "sslkey", "service", "passfile")
    return database | given | {k: v for k, v in own.get("OPTIONS", {}).items() if k in known}
