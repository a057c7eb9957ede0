"""The controls: a statement beside itself, and beside itself with a delay."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from typing import Final

from django.db import connection

from perf.engine.sampling import (
    Arguments,
    Way,
    calibrate,
    frozen,
    harness_ns,
    sample_ns,
    spin,
    take_rounds,
    yardstick_ns,
)
from perf.messages import Controlled, Job

_ROUNDS: Final = 10  # cheap ones: the noise floor is no better known than by these


def controlled(job: Job, number: int, rng: random.Random) -> Controlled:
    """The `number`th controls of an execution, on the database that the connection is on."""
    ours, same = Way("ours", _control), Way("same", _control)
    draws: list[Arguments] = [()]
    calibrate([ours, same], draws, sample_ms=job.sample_ms, around=None)
    usual_ns = statistics.median(sample_ns(_control, draws, 1, None) for _ in range(51))
    delayed = Way("delayed", _delayed(job.delay_ratio * usual_ns))
    ways = [ours, same, delayed]
    for each in ways:
        each.repeats = ours.repeats
    with frozen():
        rounds = max(job.rounds, _ROUNDS)
        take_rounds(ways, draws, rounds=rounds, draws_each=1, rng=rng)
    return Controlled(
        job.execution,
        number,
        ours=tuple(ours.samples),
        same=tuple(same.samples),
        delayed=tuple(delayed.samples),
        harness_ns=harness_ns(),
        yardstick_ns=float(min(yardstick_ns() for _ in range(5))),
    )


def _control() -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM generate_series(1, 5000)")
        return cursor.fetchone()


def _delayed(duration_ns: float) -> Callable[[], object]:
    def call() -> object:
        spin(duration_ns)
        return _control()

    return call
