"""Load tests as the lab would write them, made up: a sound one, and each way of not being sound.

Nothing here was measured; the numbers only have to look like it, and be the same each time.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from perf.engine.results import Interval
from perf.load.recording import histogram
from perf.load.results import (
    QUANTILES,
    VERSION,
    Arrivals,
    CapacityPoint,
    CapacityResult,
    Change,
    Failure,
    Fairness,
    LoadComparison,
    LoadDifference,
    LoadMethod,
    LoadRun,
    Model,
    ProcessUse,
    Quantile,
    Rig,
    Second,
    ServerSide,
    Share,
    SloResult,
    SloVerdict,
    Stage,
    StepResult,
    TenantResult,
    Times,
)
from perf.report.load.summary import quantile

ID: Final = "20261127-091500-0a1b"
TARGET: Final = "http://127.0.0.1:8000"
SECONDS, WARMUP = 60, 10
TENANTS: Final = ("acme", "globex", "initech", "umbrella", "hooli")
STALL: Final = range(38, 41)  # a checkpoint, let us say
# The median of the service time in ms, and how often in a session.
STEPS: Final = {"list": (11.0, 1.0), "detail": (5.5, 0.7), "board": (24.0, 0.3), "edit": (8.0, 0.4)}
ENVIRONMENT: Final = {
    "PostgreSQL": "18.6",
    "Python": "3.13.0",
    "Django": "6.1.3",
    "CPUs": "2",
    "CPU": "Made-up 2 GHz",
    "system": "Linux 6.1.0",
    "commit": "0123456789ab",
}


@dataclass
class Told:
    """Calls of one step, tenant or second, in µs."""

    latency: list[int] = field(default_factory=list)
    service: list[int] = field(default_factory=list)
    lag: list[int] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)


def times(samples: Iterable[int]) -> Times:
    """The distribution of samples in µs; intervals as if each call were of its own."""
    found = sorted(samples)
    kept = histogram()
    for each in found:
        kept.record_value(each)
    mean, least, most = None, None, None
    if found:
        mean = sum(found) / len(found) / 1e3
        least, most = found[0] / 1e3, found[-1] / 1e3
    told = tuple(_quantile(found, q) for q in QUANTILES)
    return Times(len(found), mean, least, most, told, kept.encode().decode())


def _quantile(found: Sequence[int], q: float) -> Quantile:
    needs = round(10 / (1 - q))
    if len(found) < needs:
        return Quantile(q, None, needs=needs)
    width = 1.96 * math.sqrt(q * (1 - q) / len(found))
    value, low, high = (_at(found, each) for each in (q, q - width, q + width))
    return Quantile(q, value, low, high)


def _at(found: Sequence[int], q: float) -> float:
    return found[min(len(found) - 1, max(0, math.ceil(q * len(found)) - 1))] / 1e3


def _calls(rate: float) -> dict[tuple[int, str, str], Told]:
    """Made-up calls by second, step and tenant."""
    rng = random.Random(20261127)
    found: dict[tuple[int, str, str], Told] = defaultdict(Told)
    for second in range(-WARMUP, SECONDS):
        for step, (middle, often) in STEPS.items():
            for _ in range(rng.binomialvariate(round(rate * 2), often / 2)):
                weights = [1, 1, 1, 1, 3]
                cell = found[second, step, rng.choices(TENANTS, weights)[0]]
                _call(cell, rng, middle * (9 if second in STALL else 2 if second < -6 else 1))
    return found


def _call(cell: Told, rng: random.Random, middle: float) -> None:
    lag = 1 + int(rng.expovariate(1 / 350))
    service = int(rng.lognormvariate(math.log(middle * 1e3), 0.55))
    if (luck := rng.random()) < 0.0004:
        cell.failures[Failure.TIMEOUT] += 1
        service = 10_000_000
    elif luck < 0.0006:
        cell.failures[Failure.STATUS] += 1
    elif luck < 0.002:
        cell.failures[Failure.THROTTLED] += 1
    cell.lag.append(lag)
    cell.service.append(service)
    cell.latency.append(lag + service)


def _together(cells: Iterable[Told]) -> Told:
    found = Told()
    for each in cells:
        found.latency += each.latency
        found.service += each.service
        found.lag += each.lag
        found.failures += each.failures
    return found


def _step(name: str, told: Told) -> StepResult:
    return StepResult(
        name,
        len(told.latency),
        dict(told.failures),
        times(told.latency),
        times(told.service),
        times(told.lag),
    )


def _second(at: int, told: Told) -> Second:
    count, latency = len(told.latency), sorted(told.latency)
    failed = sum(n for kind, n in told.failures.items() if kind != Failure.THROTTLED)
    return Second(
        at,
        due=count,
        done=count - failed,
        failed=failed,
        in_flight=round(sum(each for each in latency if each < 5e6) / 1e6),
        p50_ms=_at(latency, 0.5) if latency else None,
        p95_ms=_at(latency, 0.95) if latency else None,
        max_ms=latency[-1] / 1e3 if latency else None,
        lag_max_ms=max(told.lag) / 1e3 if latency else None,
    )


METHOD: Final = LoadMethod(
    model=Model.OPEN,
    stages=(Stage(SECONDS, 50.0, 50.0),),
    arrivals=Arrivals.POISSON,
    think_s=0.5,
    warmup_s=WARMUP,
    timeout_s=10.0,
    max_in_flight=500,
    workers=2,
    seed=20261127,
)
SLOS: Final = (
    SloResult("p99<500ms", SloVerdict.PASS, "146 ms [129, 160]"),
    SloResult("fail<0.5%", SloVerdict.PASS, "0.042% [0.01, 0.12]"),
    SloResult("p95[board]<400ms", SloVerdict.PASS, "85.7 ms [74.2, 135]"),
)


def _use(name: str, share: float, mebibytes: int, rng: random.Random) -> ProcessUse:
    seconds = tuple(round(max(0.0, rng.gauss(share, share / 12)), 3) for _ in range(SECONDS))
    return ProcessUse(name, share, mebibytes << 20, seconds)


def server_side() -> ServerSide:
    rng = random.Random(3)
    return ServerSide(
        processes=(
            _use("loader", 0.31, 96, rng),
            _use("server", 0.84, 412, rng),
            _use("postgres", 0.42, 268, rng),
            _use("redis", 0.03, 14, rng),
        ),
        statements=(
            Share("SELECT tasks_task.id, … WHERE … LIMIT $3", 0.44, 3_021, 6_320.4, "list"),
            Share("SELECT status, count(*) FROM tasks_task …", 0.31, 912, 4_402.0, "board"),
            Share("UPDATE tasks_task SET … WHERE id = $1", 0.12, 1_187, 1_710.5),
        ),
        waits=(
            Share("CPU", 0.71, 430),
            Share("Client: ClientRead", 0.2, 121),
            Share("IO: WALSync", 0.09, 55),
        ),
        database={"xact_commit": 14_212.0, "blks_hit": 912_344.0, "blks_read": 812.0},
        io=(Share("client backend: relation: reads", 0.6, 812, 91.5),),
        redis=(Share("GET", 0.62, 7_204, 41.2), Share("SET", 0.38, 1_988, 25.1)),
        redis_counts={"keyspace_hits": 6_880.0, "used_memory": 14_680_064.0},
        timing={"db": 4.1, "total": 11.9, "cache": 0.3},
        skipped=("pg_stat_io: PostgreSQL 15 has none.",),
        sentence="71 % of the service time is the server, 24 % is PostgreSQL.",
    )


@functools.cache
def sample_load(rate: float = 50.0) -> LoadRun:
    """A sound run of an open model, whose objectives hold."""
    found = _calls(rate)
    measured = {key: told for key, told in found.items() if key[0] >= 0}
    total = _step("", _together(measured.values()))
    return LoadRun(
        version=VERSION,
        id=ID,
        command="manage.py loadtest run tasks.mixed --rate 50/s --duration 60s --warmup 10s",
        started_at="2026-11-27T09:15:00+00:00",
        ended_at="2026-11-27T09:16:12+00:00",
        target=TARGET,
        scenarios={"tasks.browse": 3.0, "tasks.board": 1.0},
        method=METHOD,
        environment=dict(ENVIRONMENT),
        measured_s=float(SECONDS),
        rate=total.successful / SECONDS,
        total=total,
        steps=tuple(_step(each, _of(measured, step=each)) for each in STEPS),
        tenants=tuple(_tenant(each, _of(measured, tenant=each)) for each in TENANTS),
        fairness=Fairness(0.998, "hooli", 1.08),
        seconds=tuple(_second(at, _of(found, second=at)) for at in range(-WARMUP, SECONDS)),
        rig=Rig(ceiling_rate=2_900.0, cpu_share=0.17, lag_p99_ms=1.6),
        server=server_side(),
        slos=SLOS,
    )


def _of(
    found: dict[tuple[int, str, str], Told],
    *,
    second: int | None = None,
    step: str | None = None,
    tenant: str | None = None,
) -> Told:
    wanted = (second, step, tenant)
    return _together(
        told
        for key, told in found.items()
        if all(want is None or is_ == want for want, is_ in zip(wanted, key, strict=True))
    )


def _tenant(name: str, told: Told) -> TenantResult:
    return TenantResult(name, len(told.latency), dict(told.failures), times(told.latency))


# Runs that are not sound, or have little to say


def failing_load() -> LoadRun:
    """An overloaded service: an objective fails, another can't be told."""
    slos = (
        SloResult("p99<100ms", SloVerdict.FAIL, "146 ms [129, 160]"),
        SloResult("p99.9<1s", SloVerdict.INCONCLUSIVE, "needs 10,000 samples"),
        SLOS[1],
    )
    complaints = ("Overload: requests in flight grow by 2.1 a second, as the service lags behind.",)
    return dataclasses.replace(sample_load(), slos=slos, complaints=complaints)


def limited_load() -> LoadRun:
    """The loader was at its limit."""
    limited = (
        "The busiest worker used 97 % of its processor.",
        "1,200 calls a second are more than half of the 1,500 that a worker can send.",
    )
    rig = Rig(1_500.0, 0.97, 312.0, limited)
    return dataclasses.replace(
        sample_load(), rig=rig, slos=left_open("the loader was at its limit")
    )


def left_open(why: str) -> tuple[SloResult, ...]:
    return tuple(
        SloResult(each.text, SloVerdict.INCONCLUSIVE, f"{each.measured}; {why}") for each in SLOS
    )


def invalid_load() -> LoadRun:
    """A worker died."""
    invalid = ("Worker 2 of 2 is missing, and its requests with it: it ended with 137.",)
    slos = left_open("a worker is missing")
    return dataclasses.replace(sample_load(), invalid=invalid, slos=slos, note="Out of memory?")


def aborted_load() -> LoadRun:
    """Broken off, as an objective failed."""
    run = failing_load()
    slos = (run.slos[0], *left_open("the run was broken off")[1:])
    note = "Ended after 12 s, as p99<100ms had failed."
    return dataclasses.replace(run, ended_at=None, slos=slos, complaints=(), note=note)


def partial_load() -> LoadRun:
    """Broken off by Ctrl-C."""
    why = (
        "It was broken off after 12 s of the measured part: interrupted. All figures are of those."
    )
    slos = left_open("the run was broken off")
    return dataclasses.replace(sample_load(), ended_at=None, slos=slos, complaints=(why,))


def dead_load() -> LoadRun:
    """Nothing was answered as it should be, and there was no objective for it to fail."""
    run = sample_load()
    every = {Failure.STATUS.value: run.total.requests}
    total = dataclasses.replace(run.total, failures=every)
    return dataclasses.replace(run, total=total, rate=0.0, slos=())


def closed_load() -> LoadRun:
    """Eight users without think time and without objectives, of one URL; nobody looked on."""
    run = sample_load(rate=6.0)
    method = dataclasses.replace(
        METHOD, model=Model.CLOSED, stages=(Stage(SECONDS, 8.0, 8.0),), think_s=0.0, workers=1
    )
    return dataclasses.replace(
        run,
        method=method,
        command="manage.py loadtest run --get http://127.0.0.1:8000/livez --users 8",
        scenarios={},
        tenants=(),
        fairness=None,
        slos=(),
        server=ServerSide(),
        rig=Rig(None, None, None),
        complaints=("Users did not think: this finds what the service does at most.",),
    )


def empty_load() -> LoadRun:
    """Nothing was ever due."""
    nothing = _step("", Told())
    run = dataclasses.replace(
        closed_load(), measured_s=0.0, rate=0.0, total=nothing, steps=(), seconds=()
    )
    return dataclasses.replace(run, environment={}, command="")


# Comparisons and searches


def comparison() -> LoadComparison:
    """p99 has become worse, p50 stayed, the rate can't be told."""
    return LoadComparison(
        ("20261127-091500-0a1b", "20261127-093000-0a1c"),
        ("20261127-092000-0b1b", "20261127-092500-0b1c"),
        (
            LoadDifference("", "p50", 11.2, 11.4, Interval(1.018, 0.99, 1.046), Change.SAME),
            LoadDifference("", "p99", 212.0, 301.0, Interval(1.42, 1.21, 1.66), Change.WORSE),
            LoadDifference("list", "p99", 96.0, 71.0, Interval(0.74, 0.66, 0.83), Change.BETTER),
            LoadDifference("edit", "p99", None, None, None, Change.UNDECIDED),
        ),
        ("stages: 50/s for 60 s, 60/s for 60 s",),
        ("One run of a side: what one run differs from the next by is in no interval.",),
    )


def capacity() -> CapacityResult:
    """It holds at 160 a second, at the second try and with the loader late, and not at 200; at 400
    the loader was at its limit."""
    rates = (20.0, 40.0, 80.0, 400.0, 320.0, 240.0, 200.0)
    hiccup = _point(160.0, SloVerdict.FAIL, slower=2.5)
    late = dataclasses.replace(
        _point(160.0), late=("One request in 100 was sent 31 ms late or more.",)
    )
    points = (*map(_point, rates[:3]), hiccup, late, *map(_point, rates[3:]))
    return CapacityResult(
        ("p99<300ms", "fail<0.1%"),
        points,
        160.0,
        200.0,
        limit_ms=300.0,
        id="20261127-101500-0c1d",
        command="manage.py loadtest capacity tasks.browse --serve --slo 'p99<300ms,fail<0.1%'",
        ended_at="2026-11-27T10:15:00+00:00",
        target=TARGET,
        scenarios={"tasks.browse": 1.0},
    )


def _point(rate: float, verdict: SloVerdict | None = None, slower: float = 1.0) -> CapacityPoint:
    value = slower * (20.0 + 12_000.0 / max(6.0, 240.0 - rate))
    limited = ("The busiest worker used 97 % of its processor.",) if rate >= 400 else ()
    found = verdict or (SloVerdict.PASS if value < 300 else SloVerdict.FAIL)
    p99 = Quantile(0.99, value, value * 0.9, value * 1.12)
    told = quantile(p99)
    slos = (
        SloResult("p99<300ms", found, told),
        SloResult("fail<0.1%", SloVerdict.PASS, "0% [0%, 0.05%]"),
    )
    return CapacityPoint(
        rate, found, slos, p99, min(rate, 235.0) * 5, limited, run=f"20261127-10{rate:04.0f}-0c1d"
    )
