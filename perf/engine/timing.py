"""Time a block, or a function many times, from a shell, a test or a service.

For one thing by itself. Two ways are compared by a pair of the catalogue, which measures them in
turns: of two figures from here the difference may be the machine's. Standard library only.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Final, Self, cast

from perf.engine.results import Summary
from perf.engine.samples import summary

_NS_PER_MS: Final = 1e6
_NS_PER_S: Final = 1e9


class Timer:
    """Elapsed time of a `with` block: so far while it runs, as a whole afterwards, 0 before."""

    def __init__(self, label: str = "", tell: Callable[[str], object] | None = None) -> None:
        self.label = label
        self._tell = tell
        self._start: int | None = None
        self._end: int | None = None

    def __enter__(self) -> Self:
        self._end = None
        self._start = perf_counter_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end = perf_counter_ns()
        if self._tell is not None:
            self._tell(str(self) if kind is None else f"{self}, and raised {kind.__name__}")

    @property
    def ns(self) -> int:
        if self._start is None:
            return 0
        return (perf_counter_ns() if self._end is None else self._end) - self._start

    @property
    def ms(self) -> float:
        return self.ns / _NS_PER_MS

    @property
    def s(self) -> float:
        return self.ns / _NS_PER_S

    def __str__(self) -> str:
        return f"{self.label or 'Elapsed'}: {self.ms:,.3f} ms"


def timer(label: str = "", tell: Callable[[str], object] | None = None) -> Timer:
    """Time a block by a clock that never steps back, also if the block raises.

        with timer() as elapsed:
            work()
        elapsed.ms

    `tell` gets one line at the end, such as "Import: 12.345 ms": `print`, or a logger's method.
    Nothing is told without it. What `await` waits for within the block is part of the time.
    """
    return Timer(label, tell)


@dataclass(frozen=True, slots=True)
class TimingResult[T](Summary):
    """The figures of a function that was called n times. Fields are nanoseconds of a call,
    properties seconds. `result` is what the last call returned."""

    times_ns: tuple[int, ...]
    result: T

    @property
    def mean_s(self) -> float:
        return self.mean_ns / _NS_PER_S

    @property
    def median_s(self) -> float:
        return self.median_ns / _NS_PER_S

    @property
    def stdev_s(self) -> float | None:
        return None if self.stdev_ns is None else self.stdev_ns / _NS_PER_S

    @property
    def min_s(self) -> float:
        return self.min_ns / _NS_PER_S

    @property
    def max_s(self) -> float:
        return self.max_ns / _NS_PER_S

    @property
    def p95_s(self) -> float | None:
        return None if self.p95_ns is None else self.p95_ns / _NS_PER_S

    @property
    def times_s(self) -> tuple[float, ...]:
        return tuple(each / _NS_PER_S for each in self.times_ns)


def benchmark_function[T](
    function: Callable[..., T],
    /,
    *args: Any,
    iterations: int = 10,
    warm_up: int = 1,
    **kwargs: Any,
) -> TimingResult[T]:
    """Call `function(*args, **kwargs)` `iterations` times after `warm_up` calls that don't count.

    `iterations` and `warm_up` are kept from the function: bind its own of these names before, by
    `functools.partial(function, iterations=5)`. Garbage is collected before the first call that
    counts, and as usual during the calls: to make garbage is part of what a function costs. To
    free its result is not. The clock's own 0.1 µs a call is not taken off. A result that is lazy,
    such as a queryset, must be fetched within the function.

    What the function raises passes through. Raises ValueError if `iterations` is below 1 or
    `warm_up` below 0, and TypeError for a coroutine function, whose call only makes a coroutine.
    """
    _check(function, iterations, warm_up)
    for _ in range(warm_up):
        function(*args, **kwargs)
    gc.collect()
    times: list[int] = []
    for _ in range(iterations):
        result = None  # freed here, not while the next call is timed
        start = perf_counter_ns()
        result = function(*args, **kwargs)
        times.append(perf_counter_ns() - start)
    figures = asdict(summary(times))
    return TimingResult(**figures, times_ns=tuple(times), result=cast("T", result))


def _check(function: Callable[..., object], iterations: int, warm_up: int) -> None:
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{function!r} only makes a coroutine: call asyncio.run(…) in a function.")
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}, but nothing is told by fewer than 1 call.")
    if warm_up < 0:
        raise ValueError(f"warm_up is {warm_up}, but there are no fewer than 0 calls.")
