"""Databases and caches that fail in the ways that real ones do."""

from __future__ import annotations

import contextlib
import copy
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache, caches
from django.db import connections
from django.test import override_settings

from taskproject.db.backend.base import DatabaseWrapper
from taskproject.embedded import EmbeddedError
from taskproject.embedded.binaries import find_valkey, install

CACHE_TIMEOUTS: Final = ("SOCKET_CONNECT_TIMEOUT", "SOCKET_TIMEOUT")
_PATIENCE_S: Final = 0.2  # as the settings have it
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
    """Look for the cache at another address, for no longer than in production."""
    usual: dict[str, Any] = caches.settings["default"]
    options = usual["OPTIONS"] | dict.fromkeys(CACHE_TIMEOUTS, _PATIENCE_S)
    there = {**usual, "LOCATION": url, "OPTIONS": options}
    with override_settings(CACHES={"default": there}):
        yield


@contextmanager
def no_cache() -> Iterator[None]:
    """No cache is configured at all."""
    dummy = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    with override_settings(CACHES=dummy):
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


def forget_cached() -> None:
    """Empty the cache, but for what other test processes keep in the same server."""
    keep: Any = cache
    keep.delete_pattern("*")


class CacheRelay:
    """Stands before the cache, counts the round trips, and fails when it is told to.

    A trip is what a client says after which it waits for the cache. What opening a connection
    says is not counted.
    """

    def __init__(self, folder: Path) -> None:
        self.trips = 0
        self.delay_s = 0.0  # of each trip
        self._hanging = threading.Event()
        self._server = urlsplit(str(caches.settings["default"]["LOCATION"]))
        self._path = folder / "relay.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The address to look for the cache at; the same database and account as without it."""
        account, _, _ = self._server.netloc.rpartition("@")
        database = self._server.path.strip("/") if self._server.scheme != "unix" else ""
        query = self._server.query or f"db={database or 0}"
        return f"unix://{account}{'@' if account else ''}{self._path}?{query}"

    def hang(self) -> None:
        """From now on say nothing, on open connections and on new ones."""
        self._hanging.set()

    def recover(self) -> None:
        """Answer again, on new connections."""
        self.cut()
        self._hanging.clear()

    def cut(self) -> None:
        """End every connection, as a server does that is restarted."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Refuse new connections and end the open ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        self._path.unlink(missing_ok=True)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, self._connected() as server, contextlib.suppress(OSError):
            self._open |= {client, server}
            servers_turn = False
            while True:
                for source in select([client, server], [], [])[0]:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    if source is server:
                        servers_turn = False
                        client.sendall(data)
                    elif not self._hanging.is_set():
                        opening = b"CLIENT" in data or b"SELECT" in data or b"HELLO" in data
                        self.trips += not (servers_turn or opening)
                        servers_turn = True
                        time.sleep(self.delay_s)
                        server.sendall(data)

    def _connected(self) -> socket.socket:
        if self._server.scheme == "unix":
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server.path)
            return server
        return socket.create_connection((self._server.hostname or "", self._server.port or 6379))


@contextmanager
def relayed_cache(folder: Path) -> Iterator[CacheRelay]:
    """Look for the cache behind a relay."""
    relay = CacheRelay(folder)
    try:
        with cache_at(relay.url):
            yield relay
    finally:
        relay.close()


class OwnCache:
    """A Valkey of a test's own, which can be stopped and started, and forgets all between."""

    def __init__(self, folder: Path) -> None:
        try:
            source = find_valkey()
        except EmbeddedError as missing:
            pytest.skip(str(missing))
        self._program = install(source, folder=folder / "binaries") / "valkey-server"
        self._socket = folder / "own.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}?db=0"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        arguments = ["--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        self._process = subprocess.Popen([self._program, *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline, "Valkey did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0


@contextmanager
def own_cache(folder: Path) -> Iterator[OwnCache]:
    """Use a Valkey of the test's own, started already; `folder` is an empty one."""
    server = OwnCache(folder)
    try:
        server.start()
        with cache_at(server.url):
            yield server
    finally:
        server.stop()
