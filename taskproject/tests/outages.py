"""Databases and caches that fail in the ways that real ones do."""

from __future__ import annotations

import copy
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.core.cache import caches
from django.db import connections
from django.test import override_settings

from taskproject.db.backend.base import DatabaseWrapper

_ALIAS: Final = "outage"


@contextmanager
def another_connection(**changes: Any) -> Iterator[DatabaseWrapper]:
    """A connection to the test database with changed settings and without a pool, unless `pool`
    says what is different in a pool of its own."""
    changed = copy.deepcopy(connections["default"].settings_dict)
    pool = changed["OPTIONS"].pop("pool")
    if "pool" in changes:
        changed["OPTIONS"]["pool"] = pool | changes.pop("pool")
    connection = DatabaseWrapper(changed | changes, alias=_ALIAS)
    connections[_ALIAS] = connection  # django.contrib.postgres looks it up by its alias
    try:
        yield connection
    finally:
        connection.close()
        connection.close_pool()
        del connections[_ALIAS]


@contextmanager
def default_database(connection: Any) -> Iterator[None]:
    """Let this thread use another connection by default."""
    usual = connections["default"]
    connections["default"] = connection
    try:
        yield
    finally:
        connections["default"] = usual


@contextmanager
def database_down(folder: Path) -> Iterator[None]:
    """No server listens where the database should be; `folder` is an empty one."""
    with another_connection(HOST=str(folder)) as dead, default_database(dead):
        yield


@contextmanager
def cache_at(url: str) -> Iterator[None]:
    """Look for the cache at another address."""
    there: dict[str, Any] = {**caches.settings["default"], "LOCATION": url}
    with override_settings(CACHES={"default": there}):
        yield


@contextmanager
def cache_refused(folder: Path) -> Iterator[None]:
    """No server listens where the cache should be."""
    with cache_at(f"unix://{folder / 'nobody.sock'}"):
        yield


@contextmanager
def cache_hanging(folder: Path) -> Iterator[None]:
    """The cache takes connections and never says a word."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "silent.sock"))
        silent.listen(16)
        with cache_at(f"unix://{folder / 'silent.sock'}"):
            yield
