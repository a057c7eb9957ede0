"""What a run and its workers tell each other: one line of JSON each way.

A worker is a process of its own with connections of its own. It gets one `Job` and answers with a
message for each pair and size, as soon as it has it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from perf.engine.results import LARGE_ROUNDS, Counters


class Target(msgspec.Struct, frozen=True):
    """Pairs to look at in one database."""

    size: int
    database: str
    pairs: tuple[str, ...]


class Job(msgspec.Struct, frozen=True):
    """What a worker shall do: count once what calls cost, or time them."""

    kind: Literal["count", "time"]
    targets: tuple[Target, ...]
    seed: int
    execution: int
    draws: int
    counted_draws: int
    rounds: int
    sample_ms: float
    delay_ratio: float
    cache: Literal["warm", "cold"]
    superuser_url: str = ""  # for cold buffers
    # Ways that are too slow to be timed: seconds of a call by `slow_key`.
    slow: dict[str, float] = {}
    controls: int = 1  # how many times over
    modules: tuple[str, ...] = ()  # with pairs of no installed app

    @property
    def of_large(self) -> Job:
        """The job as it is done with a large pair: of one draw, and a sample is one call."""
        return msgspec.structs.replace(
            self, draws=1, counted_draws=1, rounds=min(self.rounds, LARGE_ROUNDS), sample_ms=0.0
        )


def slow_key(pair: str, size: int, way: str) -> str:
    """The key of a way in `Job.slow`."""
    return f"{pair} {size} {way}"


class Counted(msgspec.Struct, frozen=True, tag=True):
    """What the untimed pass found. `refusal` says how rows differ, `skipped` why there is none."""

    pair: str
    size: int
    rows: int = 0
    digest: str = ""
    counters: dict[str, Counters] = {}
    call_s: dict[str, float] = {}  # of one call of each way
    refusal: str = ""
    skipped: str = ""


class Timed(msgspec.Struct, frozen=True, tag=True):
    """The samples of one execution: ns of a call, a row of rounds for each way."""

    pair: str
    size: int
    execution: int
    calls: dict[str, int]
    samples: dict[str, tuple[float, ...]]
    gc_shares: dict[str, float]
    plans: dict[str, str]
    fetched_blocks: int = 0
    refusal: str = ""
    notes: dict[str, str] = {}  # why a way was not timed


class Controlled(msgspec.Struct, frozen=True, tag=True):
    """What one execution found where the answer is known, the `number`th time."""

    execution: int
    number: int
    ours: tuple[float, ...]
    same: tuple[float, ...]
    delayed: tuple[float, ...]
    harness_ns: float
    yardstick_ns: float


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A pair that raised where it should have been counted or timed: nothing of it is believed."""

    pair: str
    size: int
    error: str


class Begun(msgspec.Struct, frozen=True, tag=True):
    """A pair that is looked at from now on: if the worker dies, it dies of that."""

    pair: str
    size: int


class Lost(msgspec.Struct, frozen=True, tag=True):
    """A pair that was begun when its worker died: nothing of it is believed. No worker tells it."""

    pair: str
    size: int
    how: str


class Done(msgspec.Struct, frozen=True, tag=True):
    """The worker came to its end."""


Message = Counted | Timed | Controlled | Failed | Begun | Lost | Done
