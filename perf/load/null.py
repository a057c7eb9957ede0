"""A server that does nothing: to each request the same answer. Run: `python -m perf.load.null FD`.

It writes its port to FD, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

HOST: Final = "127.0.0.1"
_END: Final = b"\r\n\r\n"
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Null(asyncio.Protocol):
    """Answers as often as the end of a head comes in; a body must not have it."""

    def __init__(self) -> None:
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(_END)
        if self._transport is not None and requests:
            self._transport.write(_ANSWER * len(requests))


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Null, HOST, 0)
    with os.fdopen(int(sys.argv[1]), "wb") as out:
        out.write(b"%d\n" % server.sockets[0].getsockname()[1])
    left = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), left.set)
    await left.wait()


if __name__ == "__main__":
    asyncio.run(serve())
