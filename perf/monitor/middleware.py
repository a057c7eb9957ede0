"""The middleware: what each request asks the database, told where it is too much, and added up.

Stands near the top of MIDDLEWARE, so that what other middleware asks is in it. Sync and async. A
streamed body belongs to its request until it is closed; a file's does not. What takes time, such as
a plan, is done when the response has been closed, by the thread that gave it. Nothing of it reaches
the request.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import MiddlewareNotUsed
from django.dispatch import Signal

from perf.monitor import findings
from perf.monitor.budgets import budget_of, declared, route_of
from perf.monitor.findings import Finding
from perf.monitor.options import Options, options
from perf.monitor.recording import Recording, activate, active, deactivate, install, resumed
from perf.monitor.totals import process

logger: Final = logging.getLogger("perf.monitor")

# Sent with `request`, `route`, `recording`, and `overruns` in words, when a request is answered.
request_monitored: Final = Signal()


class QueryMonitor:
    """Middleware. Not used with `PERF_MONITOR["ENABLED"]` false.

    Costs no statement but one EXPLAIN for each text, once a process, and for what was slow, both
    when the response has been closed; and CPU, which `manage.py monitor_overhead` measures.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        if not options().enabled:
            raise MiddlewareNotUsed("PERF_MONITOR['ENABLED'] is false.")
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        declared()  # what is declared wrongly is said at the start
        install()
        atexit.register(_write, 0)

    def __call__(self, request: Any) -> Any:
        if self._is_async:
            return self._answered(request)
        recording = _begun()
        token = activate(recording)
        try:
            response = self._get_response(request)
        finally:
            deactivate(token)
        return _monitored(request, response, recording)

    async def _answered(self, request: Any) -> Any:
        recording = _begun()
        recording.task = asyncio.current_task()
        with resumed(recording):
            response = await self._get_response(request)
        return _monitored(request, response, recording)


def _begun() -> Recording:
    found = options()
    return Recording(
        slow_ms=found.slow_ms,
        repeats=found.repeats,
        explains=found.identifiers,
        outer=active(),
    )


def _monitored(request: Any, response: Any, recording: Recording) -> Any:
    try:
        if response.streaming and getattr(response, "file_to_stream", None) is None:
            _follow(response, recording)
            response._resource_closers.append(lambda: _finish(request, recording))
        elif _told(request, recording):
            response._resource_closers.append(lambda: _look_at(request, recording))
    except Exception:
        logger.debug("A request could not be monitored.", exc_info=True)
    return response


def _follow(response: Any, recording: Recording) -> None:
    """Have the steps of a streamed body recorded."""
    steps = response._iterator
    response._iterator = (
        _asteps(steps, recording) if response.is_async else _steps(steps, recording)
    )


def _steps(steps: Any, recording: Recording) -> Iterator[Any]:
    while True:
        with resumed(recording):
            try:
                part = next(steps)
            except StopIteration:
                return
        yield part


async def _asteps(steps: Any, recording: Recording) -> AsyncIterator[Any]:
    while True:
        with resumed(recording):
            try:
                part = await anext(steps)
            except StopAsyncIteration:
                return
        yield part


def _finish(request: Any, recording: Recording) -> None:
    if _told(request, recording):
        _look_at(request, recording)


def _told(request: Any, recording: Recording) -> bool:
    """Add a request to the totals and tell what is too much; whether anything is left to be done
    when the response has been closed."""
    found, route = options(), route_of(request)
    budget = budget_of(request, route)
    overruns = [] if budget is None else list(budget.overruns(recording))
    process.add(route, recording, over_budget=bool(overruns))
    if overruns or recording.total_ns >= found.threshold_ms * 1e6 or recording.repeated:
        for finding in _findings(route, recording, overruns, found):
            findings.tell(finding, request)
    if request_monitored.receivers:
        request_monitored.send_robust(
            sender=QueryMonitor,
            request=request,
            route=route,
            recording=recording,
            overruns=overruns,
        )
    return bool(recording.samples) or process.is_due(found.write_s)


def _findings(
    route: str, recording: Recording, overruns: list[str], found: Options
) -> Iterator[Finding]:
    members = {
        "n": recording.statements,
        "ms": round(recording.total_ms, 3),
        "rows": recording.rows,
    }
    if overruns:
        says = f"over its budget: {', '.join(overruns)}"
        yield Finding("over_budget", route, says, members | {"overruns": overruns})
    if recording.total_ms >= found.threshold_ms:
        says = f"{recording.statements} statements took {recording.total_ms:.1f} ms"
        yield Finding("slow_request", route, says, members | {"threshold_ms": found.threshold_ms})
    yield from findings.repeated(route, recording)


def _look_at(request: Any, recording: Recording) -> None:
    """What takes time. Raises nothing."""
    try:
        findings.look_at(recording.samples, route_of(request), request)
        _write(options().write_s)
    except Exception:
        logger.debug("A request could not be looked at.", exc_info=True)


def _write(seconds: float) -> None:
    folder = options().folder
    if folder is not None and process.is_due(seconds):
        process.write(folder)
