"""A server that does nothing: to each request the same answer, at once or after some time.

`python -m perf.load.null FD` writes its port to FD, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from perf.engine.processes import importing_as_we_do, running
from perf.load.loop import precise_loop

_DELAY: Final = "NULL_DELAY_MS"
HOST: Final = "127.0.0.1"
_END: Final = b"\r\n\r\n"
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Null(asyncio.Protocol):
    """Answers as often as the end of a head comes in; a body must not have it."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(_END)
        if not requests:
            return
        if self._delay_s:
            loop = asyncio.get_running_loop()
            loop.call_later(self._delay_s, self._answer, len(requests))
        else:
            self._answer(len(requests))

    def _answer(self, count: int) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_ANSWER * count)


@contextmanager
def null_server(delay_ms: float = 0.0) -> Iterator[str]:
    """Its address, while it runs in a process of its own. It answers after so long."""
    environment = {**importing_as_we_do(), _DELAY: str(delay_ms)}
    with running("perf.load.null", environment) as (_, _, messages):
        yield f"http://{HOST}:{int(messages.readline())}"


async def serve() -> None:
    loop = asyncio.get_running_loop()
    delay_s = float(os.environ.get(_DELAY, "0")) / 1000
    server = await loop.create_server(lambda: Null(delay_s), HOST, 0)
    with os.fdopen(int(sys.argv[1]), "wb") as out:
        out.write(b"%d\n" % server.sockets[0].getsockname()[1])
    left = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), left.set)
    await left.wait()


if __name__ == "__main__":
    asyncio.run(serve(), loop_factory=precise_loop)
