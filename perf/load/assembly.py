"""From what was planned, recorded and seen of the servers to what a run found."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from perf.load.figures import (
    fairness,
    measured,
    seconds,
    step_results,
    tenant_results,
    total_result,
)
from perf.load.intervals import LEAST_SECONDS
from perf.load.recording import Recording
from perf.load.results import (
    QUANTILES,
    VERSION,
    Failure,
    LoadMethod,
    LoadRun,
    Model,
    Second,
    ServerSide,
    SloResult,
    StepResult,
)
from perf.load.rig import rig_of
from perf.load.schedule import measured_s
from perf.load.slo import Slo, judge, left_open, quantiles_of
from perf.load.steady import drift, little, overload

THROTTLED: Final = 0.01  # of all requests: with more, a p99 is of refusals
_REASONS: Final = 3  # that are told


@dataclass(frozen=True, slots=True)
class Planned:
    """What is known before a run. `complaints` are what the caller has to say, such as that the
    loader shares its processors with the server."""

    id: str
    command: str
    started_at: str  # ISO 8601, UTC
    target: str
    scenarios: dict[str, float]
    method: LoadMethod
    environment: dict[str, str]
    slos: tuple[Slo, ...] = ()
    complaints: tuple[str, ...] = ()
    note: str = ""


def assemble(
    planned: Planned,
    recording: Recording,
    server: ServerSide,
    *,
    ended_at: str | None,
    ceiling_rate: float | None = None,
) -> LoadRun:
    """What a run found. `ended_at` is None for one that was broken off, as is one whose recording
    says so: what there is of it is told, but objectives can only fail by it. `ceiling_rate` is in
    calls a second of one worker, where it was looked for."""
    if recording.broken_off:
        ended_at = None
    method = planned.method
    quantiles = sorted({*QUANTILES, *quantiles_of(planned.slos)})
    total = total_result(recording, method.confidence, quantiles)
    lasted_s = measured_seconds(method, recording, is_whole=ended_at is not None)
    course = seconds(recording)
    counted = [each for each in course if 0 <= each.at < lasted_s]
    rig = rig_of(recording, total, ceiling_rate, max(quantiles_of(planned.slos), default=0.0))
    tenants = tenant_results(recording, method.confidence, quantiles)
    run = LoadRun(
        version=VERSION,
        id=planned.id,
        command=planned.command,
        started_at=planned.started_at,
        ended_at=ended_at,
        target=planned.target,
        scenarios=planned.scenarios,
        method=method,
        environment=planned.environment,
        measured_s=lasted_s,
        rate=total.successful / lasted_s if lasted_s else 0.0,
        total=total,
        steps=step_results(recording, method.confidence, quantiles),
        tenants=tenants,
        fairness=fairness(tenants, total),
        seconds=course,
        rig=rig,
        server=_with_timing(server, recording),
        complaints=(
            *_broken_off(recording, planned.note),
            *_complaints(method, counted, total),
            *_reasons(recording),
            *planned.complaints,
        ),
        invalid=tuple(_invalid(method, recording, total)),
        note=planned.note,
    )
    return dataclasses.replace(run, slos=_judged(planned.slos, recording, run))


def measured_seconds(method: LoadMethod, recording: Recording, *, is_whole: bool) -> float:
    """How long was measured: as planned, or of a run that was broken off as far as it came."""
    planned = measured_s(method)
    return planned if is_whole else min(planned, float(len(measured(recording))))


def _judged(slos: Sequence[Slo], recording: Recording, run: LoadRun) -> tuple[SloResult, ...]:
    overloaded = bool(overload(run.method, run.seconds, run.total))
    seconds = ceil(run.measured_s) if run.ended_at else 0
    found = judge(slos, recording, run.method.confidence, is_overloaded=overloaded, seconds=seconds)
    if (share := _throttled_share(run.total)) > THROTTLED:
        found = left_open(found, f"{share:.1%} of all requests were throttled")
    if run.rig.limited:
        return left_open(found, "the loader was at its limit", also_failed=True)
    if _missing(run.method, recording):
        return left_open(found, "a worker is missing", also_failed=True)
    if run.ended_at is None:
        return left_open(found, "the run was broken off")
    return found


def _complaints(method: LoadMethod, counted: Sequence[Second], total: StepResult) -> Iterator[str]:
    yield from _throttled(total)
    if overloaded := overload(method, counted, total):
        yield overloaded  # latency rises by it, and the last answers come after the end
    else:
        yield from filter(None, (drift(method, counted), little(counted, total)))
    if method.model is Model.CLOSED and method.think_s == 0:
        yield "Users did not think: this finds what the service does at most, and no latency."
    if 0 < len(counted) < LEAST_SECONDS:
        yield f"Fewer than {LEAST_SECONDS} seconds were measured: no figure has an interval."
    if missing := total.requests - total.latency.count:
        yield f"{missing:,} of {total.requests:,} requests are in no percentile."


def _broken_off(recording: Recording, note: str) -> Iterator[str]:
    """Why it ended before its time, where no note says it already."""
    if recording.broken_off and not note:
        seconds = len(measured(recording))
        yield (
            f"It was broken off after {seconds} s of the measured part: {recording.broken_off}. "
            "All figures are of those."
        )


def _throttled(total: StepResult) -> Iterator[str]:
    if share := _throttled_share(total):
        yield (
            f"{share:.1%} of all requests were throttled (429), and these quick answers are in the "
            "percentiles. Raise the limits of the service for the test, or ask less."
        )


def _throttled_share(total: StepResult) -> float:
    throttled = total.failures.get(Failure.THROTTLED, 0)
    return throttled / total.requests if total.requests else 0.0


def _invalid(method: LoadMethod, recording: Recording, total: StepResult) -> Iterator[str]:
    for each in _missing(method, recording):
        how = recording.lost.get(each, "told nothing")
        yield f"Worker {each} of {method.workers} is missing, and its requests with it: it {how}."
    if not total.requests:
        yield "Nothing was called in the measured part."


def _reasons(recording: Recording) -> Iterator[str]:
    """Why calls failed, most often first; those of the warm-up are among them."""
    for reason, times in recording.reasons.most_common(_REASONS):
        yield f"Failed {times:,} times: {reason}."
    if (more := len(recording.reasons) - _REASONS) > 0:
        yield f"Failed for {more} other reasons."


def _missing(method: LoadMethod, recording: Recording) -> list[int]:
    return sorted(set(range(method.workers)) - recording.workers)


def _with_timing(server: ServerSide, recording: Recording) -> ServerSide:
    if server.timing or not recording.timed:
        return server
    means = {name: ms / recording.timed for name, ms in recording.timing_ms.items()}
    return dataclasses.replace(server, timing=means)
