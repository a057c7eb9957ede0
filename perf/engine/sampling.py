"""Taking samples: ways timed in turns, in random order, on the same arguments.

Garbage collection stays on: what a way leaves to collect is part of its cost. What was there before
is frozen first, so that no way pays for it, and how long the collector took is told.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from math import ceil
from time import perf_counter_ns
from typing import Any, Final

Arguments = tuple[Any, ...]
Around = Callable[[], AbstractContextManager[object]]

SLOWEST_SAMPLE: Final = 10.0  # so many times `sample_ms` at most, while there are draws to spare
_HARNESS_CALLS: Final = 20_000


@dataclass(slots=True)
class Way:
    """One way while it is sampled: a draw is called `repeats` times in a sample."""

    name: str
    call: Callable[..., object]
    repeats: int = 1
    samples: list[float] = field(default_factory=list)  # ns of a call
    gc_ns: int = 0
    total_ns: int = 0

    @property
    def gc_share(self) -> float:
        """The part of the time, 0 to 1, that the garbage collector took."""
        return self.gc_ns / self.total_ns if self.total_ns else 0.0


def sample_ns(
    call: Callable[..., object], draws: Sequence[Arguments], repeats: int, around: Around | None
) -> int:
    """The time of calling with each draw, `repeats` times over, in ns.

    With `around`, each call runs inside such a context, whose own time does not count.
    """
    if around is None:
        start = perf_counter_ns()
        for _ in range(repeats):
            for draw in draws:
                call(*draw)
        return perf_counter_ns() - start
    total = 0
    for _ in range(repeats):
        for draw in draws:
            with around():
                start = perf_counter_ns()
                call(*draw)
                total += perf_counter_ns() - start
    return total


def calibrate(
    ways: Sequence[Way], draws: Sequence[Arguments], *, sample_ms: float, around: Around | None
) -> int:
    """Set the repeats of each way, and return how many draws a sample takes.

    A sample of each way takes `sample_ms` or more. All ways get the same draws: as many as the
    slowest way gets through in `SLOWEST_SAMPLE` times that, at least one and at most all. Warms up
    on the way. With 0 for `sample_ms` a sample is one call, and nothing is called to find that out.
    """
    if not sample_ms:
        return 1
    call_ns = [_call_ns(way, draws, sample_ms * 1e6 / 4, around) for way in ways]
    number = int(SLOWEST_SAMPLE * sample_ms * 1e6 // max(call_ns))
    number = max(1, min(number, len(draws)))
    for way, each_ns in zip(ways, call_ns, strict=True):
        way.repeats = max(1, ceil(sample_ms * 1e6 / (each_ns * number)))
    return number


def _call_ns(
    way: Way, draws: Sequence[Arguments], at_least_ns: float, around: Around | None
) -> float:
    """A call's mean time, of ever more calls until they take long enough to be believed."""
    repeats, found = 1, sample_ns(way.call, draws[:1], 1, around)
    number = 1
    while found < at_least_ns:
        repeats = repeats * 2 if number == len(draws) else repeats
        number = len(draws)
        found = sample_ns(way.call, draws, repeats, around)
    return max(found, 1) / (repeats * number)


def take_rounds(
    ways: Sequence[Way],
    draws: Sequence[Arguments],
    *,
    rounds: int,
    draws_each: int,
    rng: random.Random,
    around: Around | None = None,
    before: Callable[[], None] | None = None,
) -> None:
    """Append a sample to each way for each round, after one more round to warm up.

    In a round the ways come in random order and get the same draws; the next round takes the draws
    that follow. `before` is called ahead of each sample.
    """
    order = list(ways)
    for round_ in range(-1, rounds):
        drawn = [draws[(round_ * draws_each + n) % len(draws)] for n in range(draws_each)]
        rng.shuffle(order)
        for way in order:
            gc.collect()
            if before is not None:
                before()
            with _collecting(way):
                found_ns = sample_ns(way.call, drawn, way.repeats, around)
            way.samples.append(found_ns / (way.repeats * draws_each))
            way.total_ns += found_ns
        if round_ < 0:
            _forget(ways)


def _forget(ways: Sequence[Way]) -> None:
    for way in ways:
        way.samples.clear()
        way.gc_ns = way.total_ns = 0


@contextmanager
def frozen() -> Iterator[None]:
    """Keep what is there now from the garbage collector, so that it is not gone through again."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _collecting(way: Way) -> Iterator[None]:
    """Add what the garbage collector takes to the way's account."""
    started = 0

    def note(phase: str, info: dict[str, int]) -> None:
        nonlocal started
        if phase == "start":
            started = perf_counter_ns()
        else:
            way.gc_ns += perf_counter_ns() - started

    gc.callbacks.append(note)
    try:
        yield
    finally:
        gc.callbacks.remove(note)


def harness_ns() -> float:
    """What a sample costs for each call beyond the call itself: the time of calling nothing."""

    def nothing() -> None:
        return None

    return sample_ns(nothing, [()], _HARNESS_CALLS, None) / _HARNESS_CALLS


def spin(duration_ns: float) -> None:
    """Do nothing for so long, without giving the processor away."""
    until = perf_counter_ns() + duration_ns
    while perf_counter_ns() < until:
        pass


def yardstick_ns(steps: int = 200_000) -> int:
    """The time of a fixed piece of work of this processor: a machine that is busy elsewhere, or
    has changed its frequency, shows in it."""
    start = perf_counter_ns()
    total = 0
    for number in range(steps):
        total += number * number % 7
    return perf_counter_ns() - start
