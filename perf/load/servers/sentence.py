"""Where the time of the answers went, in a few plain sentences."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from perf.load.recording import Recording
from perf.load.results import ServerSide, StepResult
from perf.load.servers.waits import CPU
from perf.pg.redaction import cut

TOTAL: Final = "total"  # the part of `Server-Timing` that holds the others
DATABASE: Final = "db"
_TEXT_LENGTH: Final = 100
_NOTABLE: Final = 0.1  # shares below it are not told
_SEEN: Final = 30  # busy sessions, below which their shares are chance
_FULL: Final = 0.9  # of the processors


def told(side: ServerSide, recording: Recording, total: StepResult) -> ServerSide:
    """What was seen, with the mean of each part of `Server-Timing`, and with its sentence."""
    timed = recording.timed
    timing = {name: ms / timed for name, ms in recording.timing_ms.items()} if timed else {}
    timing_side = replace(side, timing=timing)
    return replace(timing_side, sentence=" ".join(_sentences(timing_side, total)))


def _sentences(side: ServerSide, total: StepResult) -> Iterator[str]:
    if total.service.mean_ms:
        yield from _parts(side, total, total.service.mean_ms)
        yield from _late(total)
    yield from _statement(side)
    yield from _wait(side)
    yield from _processors(side)


def _parts(side: ServerSide, total: StepResult, service_ms: float) -> Iterator[str]:
    answered = f"An answer took {service_ms:.1f} ms on average"
    whole_ms, database_ms = side.timing.get(TOTAL), side.timing.get(DATABASE)
    if whole_ms is not None:
        parts = {"outside of the application, in line for it or on the way": service_ms - whole_ms}
        if database_ms is None:
            parts["in the application"] = whole_ms
        else:
            parts["at the database"] = database_ms
            parts["in the rest of the application"] = whole_ms - database_ms
        yield f"{answered}: {_listed(parts, service_ms)}."
    elif side.statements and total.requests:
        executed_ms = _whole_ms(side) / total.requests
        yield (
            f"{answered}; PostgreSQL executed statements for {executed_ms:.1f} ms a request. "
            "Without Server-Timing the rest can't be told apart."
        )
    else:
        yield f"{answered}. Without Server-Timing and statements nothing tells where it went."


def _whole_ms(side: ServerSide) -> float:
    """All time in statements: those that are listed are only the largest."""
    listed = sum(each.share for each in side.statements)
    return sum(each.total_ms for each in side.statements) / listed if listed else 0.0


def _listed(parts: dict[str, float], whole_ms: float) -> str:
    shares = {name: max(ms, 0.0) / whole_ms for name, ms in parts.items()}
    by_size = sorted(shares.items(), key=lambda each: -each[1])
    return ", ".join(f"{share:.0%} {name}" for name, share in by_size)


def _late(total: StepResult) -> Iterator[str]:
    lag_ms, latency_ms = total.lag.mean_ms, total.latency.mean_ms
    if lag_ms and latency_ms and lag_ms / latency_ms >= _NOTABLE:
        yield f"Before that it had waited {lag_ms:.1f} ms for the loader to send its request."


def _statement(side: ServerSide) -> Iterator[str]:
    if side.statements:
        top = side.statements[0]
        yield f"Of the time in PostgreSQL {top.share:.0%} was of: {cut(top.name, _TEXT_LENGTH)}"


def _wait(side: ServerSide) -> Iterator[str]:
    waits = [each for each in side.waits if each.name != CPU and each.share >= _NOTABLE]
    if waits and sum(each.count for each in side.waits) >= _SEEN:
        named = ", ".join(f"{each.name} ({each.share:.0%})" for each in waits[:2])
        yield f"Its busy sessions stood at: {named}."


def _processors(side: ServerSide) -> Iterator[str]:
    if not side.processes:
        return
    processors = len(os.sched_getaffinity(0))
    named = ", ".join(f"{each.name} {each.cpu_share:.2f}" for each in side.processes)
    full = sum(each.cpu_share for each in side.processes) >= _FULL * processors
    yield f"Processors in use: {named}, of {processors}{', which is all of them' if full else ''}."
