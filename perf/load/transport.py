"""Makes calls by HTTP: a call in, an answer or the kind of failure out."""

from __future__ import annotations

import math
import os
from functools import lru_cache
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from perf.load.results import Failure
from perf.load.scenario import Answer, Call

MOST_BODY_MIB: Final = 64


class CallFailed(Exception):
    """What kind of failure a call is, and what is said of it."""

    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure
        self.reason = reason


class Transport:
    """Connections to one server, kept alive: as many as there are calls at the same time.

    Redirects are not followed and cookies not kept: an answer is what the server sent, but for the
    compression that it is allowed, as most clients allow it. Nor is a call sent twice, where a
    connection that was kept alive is cut under it: that is what the server did.
    """

    def __init__(self, target: str, timeout_s: float) -> None:
        self._target = target.rstrip("/")
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Else the clock of a timeout above 5 s is rounded up to whole seconds.
            timeout=aiohttp.ClientTimeout(total=timeout_s, ceil_threshold=math.inf),
        )
        # aiohttp has no public name for it: it sends what is idempotent a second time, untold.
        self._session._retry_connection = False

    async def send(self, call: Call) -> Answer:
        """The whole answer, body and all. Raises `CallFailed` where there is none in time, for one
        of more than 64 MiB, and for a path that could lead to another host."""
        if not call.path.startswith("/"):
            raise CallFailed(Failure.CHECK, f"the path {call.path!r} does not begin with a slash")
        try:
            async with self._session.request(
                call.method,
                _url(self._target + call.path),
                data=call.body or None,
                headers=call.headers,
                allow_redirects=False,
            ) as response:
                # Its headers are found by names in lower case, as in any.
                return Answer(response.status, response.headers, await _body(response))
        except TimeoutError:
            said = f"no answer in {self._timeout_s:g} s"
            raise CallFailed(Failure.TIMEOUT, said) from None
        except aiohttp.ClientConnectorError as error:
            said = f"{error.host}:{error.port}: {_why(error.os_error)}"
            raise CallFailed(Failure.TRANSPORT, said) from None
        except (aiohttp.ClientError, OSError) as error:
            raise CallFailed(Failure.TRANSPORT, str(error) or type(error).__name__) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()


def _why(error: OSError) -> str:
    """In the words of the system: those of asyncio name the address once more."""
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return error.strerror or str(error)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """What it holds, decompressed: of what never ends a few would take all memory."""
    most = MOST_BODY_MIB << 20
    if (response.content_length or most) < most and "content-encoding" not in response.headers:
        return await response.read()
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) > most:
            raise CallFailed(Failure.CHECK, f"an answer of more than {MOST_BODY_MIB} MiB")
    return bytes(found)


@lru_cache(4096)
def _url(text: str) -> URL:
    return URL(text, encoded=True)
