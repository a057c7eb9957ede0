"""A relay before PostgreSQL that counts what really crosses the wire.

Django's own counts leave out what psycopg sends by itself (the pool's check, BEGIN, COMMIT) and
can't tell two statements in one message from two messages. The relay reads the protocol instead.
A turn is a message, or several at once, of the client's after which it waits for the server: one
round trip.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from select import select
from typing import Final

_PORT: Final = 5432
_CHUNK: Final = 1 << 16
_TERMINATE: Final = "X"
# Messages that carry a statement's text, and where in their body it begins.
_SIMPLE_QUERY: Final = "Q"
_PARSE: Final = "P"
_BIND: Final = "B"  # of a prepared one its name


@dataclass
class Seen:
    """What crossed the wire in a stretch of time."""

    turns: int = 0
    statements: list[str] = field(default_factory=list)


class Relay:
    """Listens on a Unix socket in a folder of its own and passes everything on to a server.

    `host` and `port` are what a client is told; `server_host` is a folder or a host's name.
    """

    def __init__(self, server_host: str, server_port: str = "") -> None:
        self._server = (server_host, server_port)
        # Short, because the path of a socket can't be long.
        self.host = tempfile.mkdtemp(prefix="wire-")
        self.port = str(_PORT)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self.host}/.s.PGSQL.{self.port}")
        self._listener.listen()
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.close()
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        shutil.rmtree(self.host)

    @contextmanager
    def counting(self) -> Iterator[Seen]:
        """Count while the block runs."""
        seen = Seen()
        with self._lock:
            self._seen = seen
        try:
            yield seen
        finally:
            with self._lock:
                self._seen = None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = connect(*self._server)
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        reader = FrontendReader()
        servers_turn = False
        with client, server, contextlib.suppress(OSError):
            while True:
                for source in select([client, server], [], [])[0]:
                    data = source.recv(_CHUNK)
                    if not data:
                        return
                    if source is server:
                        servers_turn = False
                        client.sendall(data)
                        continue
                    messages = reader.read(data)
                    new_turn = not servers_turn and any(kind != _TERMINATE for kind, _ in messages)
                    servers_turn = servers_turn or new_turn
                    self._note(messages, new_turn)
                    server.sendall(data)

    def _note(self, messages: list[tuple[str, str]], new_turn: bool) -> None:
        with self._lock:
            if self._seen is not None:
                self._seen.turns += new_turn
                self._seen.statements += [text for _, text in messages if text]


class FrontendReader:
    """Cuts the stream of a client into messages; the first has no type."""

    def __init__(self) -> None:
        self._rest = b""
        self._started = False

    def read(self, data: bytes) -> list[tuple[str, str]]:
        """The messages that `data` completes, each with its type and the statement it carries."""
        self._rest += data
        found: list[tuple[str, str]] = []
        while True:
            head = 1 if self._started else 0
            if len(self._rest) < head + 4:
                return found
            end = head + int.from_bytes(self._rest[head : head + 4])
            if len(self._rest) < end:
                return found
            kind = self._rest[:head].decode()
            found.append((kind, _statement(kind, self._rest[head + 4 : end])))
            self._rest = self._rest[end:]
            self._started = True


def _statement(kind: str, body: bytes) -> str:
    if kind == _SIMPLE_QUERY:
        return body.rstrip(b"\0").decode()
    if kind == _PARSE:
        name, text = body.split(b"\0")[:2]
        return f"PREPARE {name.decode()} AS {text.decode()}" if name else text.decode()
    if kind == _BIND and (name := body.split(b"\0")[1]):
        return f"EXECUTE {name.decode()}"
    return ""


def connect(host: str, port: str) -> socket.socket:
    """A socket to a PostgreSQL server, whose host is a folder or a name as in Django's settings."""
    if host.startswith("/"):
        opened = socket.socket(socket.AF_UNIX)
        opened.connect(f"{host}/.s.PGSQL.{port or _PORT}")
        return opened
    return socket.create_connection((host or "localhost", int(port or _PORT)))
