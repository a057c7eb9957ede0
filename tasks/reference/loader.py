"""A closed loop of clients on keep-alive connections: each sends, waits for the answer, goes on.

One thread and raw sockets, so that it takes little of the machine that it measures.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Final

_CHUNK: Final = 1 << 17
_HEAD_END: Final = b"\r\n\r\n"
_TIMEOUT_S: Final = 30.0


class BadAnswer(Exception):
    """A request was answered otherwise than expected; the text has the answer."""


@dataclass(slots=True)
class _Client:
    """One connection, and what has come of the answer that it waits for."""

    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    expected_bytes: int | None = None


def closed_loop(
    port: int, requests: Sequence[bytes], *, connections: int, count: int, status: int
) -> float:
    """Send `count` requests, taken in turn, over that many connections; how many seconds it took.

    Raises `BadAnswer` for an answer with another status, and `TimeoutError` for one that is late.
    """
    upcoming = iter(requests[n % len(requests)] for n in range(count))
    with _clients(port, connections) as (selector, clients):
        start = time.perf_counter()
        waiting = sum(_send_next(client, upcoming) for client in clients)
        while waiting:
            if not (ready := selector.select(_TIMEOUT_S)):
                raise TimeoutError("The server does not answer any more.")
            for key, _ in ready:
                client: _Client = key.data
                if _complete(client, status) and not _send_next(client, upcoming):
                    waiting -= 1
        return time.perf_counter() - start


@contextmanager
def _clients(port: int, number: int) -> Iterator[tuple[selectors.BaseSelector, list[_Client]]]:
    with closing(selectors.DefaultSelector()) as selector:
        clients = []
        for _ in range(number):
            opened = socket.create_connection(("127.0.0.1", port))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            clients.append(_Client(opened))
            selector.register(opened, selectors.EVENT_READ, clients[-1])
        try:
            yield selector, clients
        finally:
            for client in clients:
                client.socket.close()


def _send_next(client: _Client, upcoming: Iterator[bytes]) -> bool:
    request = next(upcoming, None)
    if request is None:
        return False
    client.socket.sendall(request)
    return True


def _complete(client: _Client, status: int) -> bool:
    """Read what has come; whether the answer is whole."""
    chunk = client.socket.recv(_CHUNK)
    if not chunk:
        raise BadAnswer(f"The connection was closed. It had said: {bytes(client.received)!r}")
    client.received += chunk
    if client.expected_bytes is None:
        end = client.received.find(_HEAD_END)
        if end < 0:
            return False
        head = bytes(client.received[:end]).lower()
        if head[9:12] != b"%d" % status:
            raise BadAnswer(bytes(client.received).decode(errors="replace"))
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        has_body = status != 304  # whatever it says of the length of the whole
        client.expected_bytes = end + len(_HEAD_END) + int(length or b"0") * has_body
    if len(client.received) < client.expected_bytes:
        return False
    client.received.clear()
    client.expected_bytes = None
    return True


def request_bytes(
    method: str, path: str, *, token: str, body: bytes | None = None, more: str = ""
) -> bytes:
    """A request as it stands on the wire; `more` are further headers, each with its line end."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n{more}"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + (body or b"")
