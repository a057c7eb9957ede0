"""A small transaction pooler: many clients share one session of PostgreSQL, in turns.

It does what PgBouncer does in `pool_mode = transaction`, as far as tests need it: a client has the
session from its first message until the server is idle again, and is told an invented process id.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from typing import Final

from taskproject.tests.wire import connect

_PORT: Final = 5432
_AUTHENTICATED: Final = b"R" + (8).to_bytes(4) + (0).to_bytes(4)
_READY: Final = b"Z" + (5).to_bytes(4) + b"I"
_INVENTED_KEY: Final = b"K" + (12).to_bytes(4) + (4711).to_bytes(4) + (42).to_bytes(4)
_TERMINATE: Final = b"X"
# After these the server answers until it says that it is ready.
_ASKING: Final = (b"Q", b"S")
_ROLLBACK: Final = b"Q" + (13).to_bytes(4) + b"ROLLBACK\0"


class TransactionPooler:
    """Listens on a Unix socket in a folder of its own; each client logs in as the same role."""

    def __init__(self, server_host: str, server_port: str = "") -> None:
        self.host = tempfile.mkdtemp(prefix="pool-")
        self.port = str(_PORT)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self.host}/.s.PGSQL.{self.port}")
        self._listener.listen()
        self._server = connect(server_host, server_port)
        self._greeting: bytes | None = None
        self._turn = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> TransactionPooler:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.close()
        self._server.close()
        shutil.rmtree(self.host)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, EOFError):
            with self._turn:
                self._log_in(client)
            while (message := _read(client))[:1] != _TERMINATE:
                with self._turn:
                    self._transaction(client, message)

    def _log_in(self, client: socket.socket) -> None:
        """The first client logs in at the server; the later ones are let in."""
        startup = _read(client, typed=False)
        if self._greeting is None:
            self._server.sendall(startup)
            settings = b""
            while (answer := _read(self._server))[:1] != b"Z":
                if answer[:1] == b"S":
                    settings += answer
                elif answer[:1] == b"R":
                    client.sendall(answer)
                    if _expects_reply(answer):
                        self._server.sendall(_read(client))
            self._greeting = settings
            client.sendall(settings + _INVENTED_KEY + _READY)
        else:
            client.sendall(_AUTHENTICATED + self._greeting + _INVENTED_KEY + _READY)

    def _transaction(self, client: socket.socket, message: bytes) -> None:
        status = b""
        try:
            while True:
                self._server.sendall(message)
                if message[:1] in _ASKING:
                    status = self._answer(client)
                    if status == b"I":
                        return
                message = _read(client)
                if message[:1] == _TERMINATE:
                    raise EOFError
        except (OSError, EOFError):
            if status in (b"T", b"E"):
                self._server.sendall(_ROLLBACK)
                while _read(self._server)[:1] != b"Z":
                    pass
            raise

    def _answer(self, client: socket.socket) -> bytes:
        while True:
            answer = _read(self._server)
            client.sendall(answer)
            if answer[:1] == b"Z":
                return answer[-1:]


def _expects_reply(answer: bytes) -> bool:
    """Whether an authentication message is a question: not `ok` and not the last of SCRAM."""
    return int.from_bytes(answer[5:9]) not in (0, 12)


def _read(source: socket.socket, *, typed: bool = True) -> bytes:
    head = _read_exactly(source, 5 if typed else 4)
    return head + _read_exactly(source, int.from_bytes(head[-4:]) - 4)


def _read_exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = source.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data
