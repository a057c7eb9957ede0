"""What the monitor costs: CPU of a statement and of a request, with it and without, in turns.

Processor time of the thread, not the clock: what else the machine does is in neither. In each round
both ways run one after the other in random order, and their difference is taken; the median of the
differences is told, with the quartiles beside it.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import DEFAULT_DB_ALIAS, connections
from django.test import RequestFactory
from django.test.utils import override_settings

from perf.monitor.recording import install, recorded

MIDDLEWARE: Final = "perf.monitor.middleware.QueryMonitor"
STATEMENT_LIMIT_US: Final = 15.0
REQUEST_LIMIT_PERCENT: Final = 8.0


@dataclass(frozen=True, slots=True)
class Overhead:
    """Microseconds of CPU of a call without the monitor, and how many more it takes with it."""

    without_us: float
    more_us: float
    quartiles_us: tuple[float, float]
    rounds: int

    @property
    def percent(self) -> float:
        return 100 * self.more_us / self.without_us


def of_statements(*, rounds: int = 200, using: str = DEFAULT_DB_ALIAS) -> Overhead:
    """The overhead of one statement of Django's cursor, in a recording."""
    install()

    def ask(is_recorded: bool) -> None:
        recording = recorded(slow_ms=1e9) if is_recorded else nullcontext()
        with recording, connections[using].cursor() as cursor:
            for number in range(50):
                cursor.execute("SELECT %s::int AS n, %s AS t", [number, "text"])

    return _compared(lambda: ask(False), lambda: ask(True), rounds=rounds, calls=50)


def of_requests(
    path: str, headers: Mapping[str, str], *, rounds: int = 200, calls: int = 5
) -> Overhead:
    """The overhead of a GET, from WSGI to the closed answer.

    Raises `ValueError` if the monitor is not in MIDDLEWARE, or the answer is no 200.
    """
    if MIDDLEWARE not in settings.MIDDLEWARE:
        raise ValueError(f"{MIDDLEWARE} is not in MIDDLEWARE.")
    others = [each for each in settings.MIDDLEWARE if each != MIDDLEWARE]
    with override_settings(MIDDLEWARE=others):
        without = WSGIHandler()
    host, is_secure = (settings.ALLOWED_HOSTS or ["localhost"])[0], settings.SECURE_SSL_REDIRECT
    factory = RequestFactory(headers=dict(headers), SERVER_NAME=host)
    environ = factory.get(path, secure=is_secure).environ

    def ask(handler: Any) -> Callable[[], None]:
        def call() -> None:
            for _ in range(calls):
                _answer(handler, environ)

        return call

    return _compared(ask(without), ask(WSGIHandler()), rounds=rounds, calls=calls)


def _answer(handler: Any, environ: dict[str, Any]) -> None:
    told: list[str] = []
    response = handler(
        {**environ, "wsgi.input": BytesIO()}, lambda status, headers: told.append(status)
    )
    try:
        body = b"".join(response)
    finally:
        response.close()
    if not told[0].startswith("200"):
        raise ValueError(f"{environ['PATH_INFO']} answers {told[0]}: {body[:200]!r}")


def _compared(
    without: Callable[[], None], monitored: Callable[[], None], *, rounds: int, calls: int
) -> Overhead:
    for warm in (without, monitored) * 5:
        warm()
    plain, more = [], []
    for _ in range(rounds):
        order = [0, 1]
        random.shuffle(order)
        took = {each: _cpu_us((without, monitored)[each]) / calls for each in order}
        plain.append(took[0])
        more.append(took[1] - took[0])
    low, middle, high = statistics.quantiles(more, n=4)
    return Overhead(statistics.median(plain), middle, (low, high), rounds)


def _cpu_us(call: Callable[[], None]) -> float:
    start = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - start) / 1000
