"""`monitor_query_performance`: what a function or a block asked the database, told when it is slow.

@monitor_query_performance(threshold_ms=50)
def overdue(tenant): ...

with monitor_query_performance(threshold_ms=50, name="import") as recording: ...
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Final, Self

from perf.monitor.findings import tell_block
from perf.monitor.options import options
from perf.monitor.recording import Recording, begun, resumed

THRESHOLD_MS: Final = 100.0


class monitor_query_performance:  # noqa: N801  a decorator
    """Record what the decorated callable, or the block, asks the database, and log a warning with
    its statements' count, time, repeated shapes and slowest places if it takes longer than
    `threshold_ms` by the clock.

    Takes functions, coroutine functions, generators of both kinds and methods: of a generator the
    time of its own steps counts, not that of who reads it. Raises what the callable raises, and
    `TypeError` for what can't be called, and without brackets. Costs no statement; a slow
    SELECT's plan is asked for when the block has ended, once for each shape in PLAN_HOURS.
    """

    def __init__(self, threshold_ms: float = THRESHOLD_MS, *, name: str = "") -> None:
        if not isinstance(threshold_ms, int | float):  # as a decorator without its brackets has it
            raise TypeError(
                f"{threshold_ms!r} is no number of milliseconds: write "
                "@monitor_query_performance(threshold_ms=50)."
            )
        self.threshold_ms = threshold_ms
        self.name = name
        self._watched: _Watched | None = None

    def __call__[F: Callable[..., Any]](self, function: F) -> F:
        if not callable(function):
            raise TypeError(f"{function!r} can't be called: decorate the function below it.")
        wrapper: Any = functools.wraps(function)(self._wrapper(function))
        return wrapper  # type: ignore[no-any-return]

    def __enter__(self) -> Recording:
        if self._watched is not None:
            raise RuntimeError("This monitor is in use: make one for each block.")
        self._watched = self._begun(self.name or "block")
        self._watched.__enter__()
        return self._watched.recording

    def __exit__(self, *raised: object) -> None:
        watched, self._watched = self._watched, None
        if watched is not None:
            watched.__exit__()
            watched.end()

    def _begun(self, name: str) -> _Watched:
        return _Watched(name, self.threshold_ms)

    def _wrapper(self, function: Any) -> Callable[..., Any]:
        name = self.name or getattr(function, "__qualname__", type(function).__qualname__)
        begin = functools.partial(self._begun, name)
        if _is(inspect.isasyncgenfunction, function):
            return lambda *args, **kwargs: _async_steps(begin(), function(*args, **kwargs))
        if _is(inspect.iscoroutinefunction, function):
            return _coroutine(begin, function)
        if _is(inspect.isgeneratorfunction, function):
            return lambda *args, **kwargs: _steps(begin(), function(*args, **kwargs))

        def call(*args: Any, **kwargs: Any) -> Any:
            watched = begin()
            try:
                with watched:
                    return function(*args, **kwargs)
            finally:
                watched.end()

        return call


class _Watched:
    """A recording with the time that its steps took."""

    def __init__(self, name: str, threshold_ms: float) -> None:
        found = options()
        self.recording = begun(slow_ms=found.slow_ms, repeats=found.repeats)
        self._name = name
        self._threshold_ms = threshold_ms
        self._seconds = 0.0

    def __enter__(self) -> Self:
        self._step = resumed(self.recording)
        self._step.__enter__()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *raised: object) -> None:
        self._seconds += time.perf_counter() - self._start
        self._step.__exit__(None, None, None)

    def end(self) -> None:
        tell_block(self._name, self.recording, self._seconds * 1000, self._threshold_ms)


def _is(kind: Callable[[Any], bool], function: Any) -> bool:
    """Whether a function, or an object that is called like one, is of a kind."""
    return kind(function) or (
        not inspect.isclass(function) and kind(type(function).__dict__.get("__call__"))
    )


def _coroutine(begin: Callable[[], _Watched], function: Any) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        watched = begin()
        try:
            with watched:
                return await function(*args, **kwargs)
        finally:
            watched.end()

    return call


def _steps(watched: _Watched, generator: Any) -> Generator[Any, Any, Any]:
    step, value = generator.send, None
    try:
        while True:
            try:
                with watched:
                    item = step(value)
            except StopIteration as stop:
                return stop.value
            try:
                step, value = generator.send, (yield item)
            except GeneratorExit:
                with watched:
                    generator.close()
                raise
            except BaseException as error:
                step, value = generator.throw, error
    finally:
        watched.end()


async def _async_steps(watched: _Watched, generator: Any) -> AsyncIterator[Any]:
    step, value = generator.asend, None
    try:
        while True:
            try:
                with watched:
                    item = await step(value)
            except StopAsyncIteration:
                return
            try:
                step, value = generator.asend, (yield item)
            except GeneratorExit:
                with watched:
                    await generator.aclose()
                raise
            except BaseException as error:
                step, value = generator.athrow, error
    finally:
        watched.end()
