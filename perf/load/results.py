"""What a load test found: plain values that every report, the history and the gate read.

They are written to a file as JSON; `VERSION`, of a search `SEARCH_VERSION`, goes up when an older
file could no longer be read. Times are milliseconds, rates are per second, shares are 0 to 1. Three
clocks are told apart:

- latency, from the moment when a request was due until its answer was there: what a user waits;
- service time, from the moment when it was sent: what the server and the network take;
- lag, from when it was due until it was sent: how late the loader or its limit was.

What never came back is in the percentiles of latency at the timeout, not left out of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from perf.engine.results import Interval

VERSION: Final = 1
SEARCH_VERSION: Final = 1
QUANTILES: Final = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)


class Model(StrEnum):
    """Who decides when the next request is sent: the schedule, or the last answer."""

    OPEN = "open"
    CLOSED = "closed"


class Arrivals(StrEnum):
    """How the starts of an open model are spread."""

    CONSTANT = "constant"
    POISSON = "poisson"


class Failure(StrEnum):
    """What kind of failure. A 429 is an answer of a healthy service, and is counted apart."""

    TRANSPORT = "transport"  # refused, reset, no name, no TLS
    TIMEOUT = "timeout"
    STATUS = "status"  # one that the call doesn't expect
    CHECK = "check"  # of the call or of the scenario
    THROTTLED = "throttled"  # 429
    DROPPED = "dropped"  # never sent: as many as allowed were in flight


class SloVerdict(StrEnum):
    """What a run can say of an objective."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"  # the limit lies in the interval, or too few samples


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the schedule: from one rate, or number of users, evenly to the other."""

    duration_s: float
    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class LoadMethod:
    """How the load was made. `stages` are in arrivals a second for an open model, in users for a
    closed one."""

    model: Model
    stages: tuple[Stage, ...]
    arrivals: Arrivals
    think_s: float  # mean, of a closed model or between the steps of a session
    warmup_s: float  # at the front, not counted
    timeout_s: float
    max_in_flight: int
    workers: int
    seed: int
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Quantile:
    """A percentile: of so few samples as make it chance there is none, but what it would need."""

    q: float  # such as 0.99
    value_ms: float | None
    low_ms: float | None = None
    high_ms: float | None = None
    needs: int = 0  # samples in all, where there are too few


@dataclass(frozen=True, slots=True)
class Times:
    """A distribution. `histogram` is an HdrHistogram of microseconds, V2, compressed, in base64."""

    count: int
    mean_ms: float | None
    min_ms: float | None
    max_ms: float | None
    quantiles: tuple[Quantile, ...]
    histogram: str = ""

    def at(self, q: float) -> Quantile | None:
        return next((each for each in self.quantiles if each.q == q), None)


@dataclass(frozen=True, slots=True)
class StepResult:
    """All calls of one step, or of all of them: `name` is empty then."""

    name: str
    requests: int  # all that were due, dropped ones too
    failures: dict[str, int]  # by `Failure`; only what happened
    latency: Times
    service: Times
    lag: Times

    @property
    def failed(self) -> int:
        """Failures but for 429."""
        return sum(n for kind, n in self.failures.items() if kind != Failure.THROTTLED)

    @property
    def successful(self) -> int:
        return self.requests - sum(self.failures.values())

    @property
    def failure_rate(self) -> float:
        """0 to 1; 0 where there was no request."""
        return self.failed / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class TenantResult:
    """What one tenant had of it."""

    tenant: str
    requests: int
    failures: dict[str, int]
    latency: Times


@dataclass(frozen=True, slots=True)
class Fairness:
    """Jain's index (1 is fair, 1/n is one tenant alone) of what tenants got of what they asked for,
    and how the slowest tenant's p95 stands to that of all."""

    index: float
    slowest: str
    slowest_ratio: float | None


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the run, from its measured begin; negative ones are the warm-up."""

    at: int
    due: int  # arrivals of the schedule, or calls begun of a closed model
    done: int
    failed: int
    in_flight: int  # at its end
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    lag_max_ms: float | None


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """A process, or several of one kind, over the measured part."""

    name: str  # "loader", "server", "postgres", "redis"; "others" is all else on the machine
    cpu_share: float  # of one processor: 1.5 is one and a half
    rss_bytes: int  # at the end
    by_second: tuple[float, ...] = ()  # cpu_share


@dataclass(frozen=True, slots=True)
class Share:
    """A part of something, by name, with a figure: a wait event, a statement, a command."""

    name: str
    share: float
    count: int = 0
    total_ms: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class ServerSide:
    """What the servers did meanwhile. What could not be looked at is empty, and is in `skipped`.

    `timing` is the mean of each part of `Server-Timing`; what it leaves of the service time is the
    queue in front of the server, and the network.
    """

    processes: tuple[ProcessUse, ...] = ()
    statements: tuple[Share, ...] = ()  # of the time in PostgreSQL, the largest first
    waits: tuple[Share, ...] = ()  # of sampled backends of the database; "CPU" is no wait
    database: dict[str, float] = field(default_factory=dict)  # deltas of pg_stat_database
    io: tuple[Share, ...] = ()
    redis: tuple[Share, ...] = ()  # of the time in commands
    redis_counts: dict[str, float] = field(default_factory=dict)  # hits, misses, bytes at the end
    timing: dict[str, float] = field(default_factory=dict)  # ms
    skipped: tuple[str, ...] = ()
    sentence: str = ""  # where the time went


@dataclass(frozen=True, slots=True)
class Rig:
    """Whether the loader was up to it. `limited` says why a figure is the loader's, not the
    server's; then rates and percentiles are not to be believed. `only_late` says that lateness is
    all of it: the loader was not busy all the time, nor near the most that it can send."""

    ceiling_rate: float | None  # calls a second that a worker sends to a server that does nothing
    cpu_share: float | None  # the busiest worker's, of one processor
    lag_p99_ms: float | None
    limited: tuple[str, ...] = ()
    only_late: bool = False


@dataclass(frozen=True, slots=True)
class SloResult:
    """An objective, such as `p99<300ms`, and what became of it. `recorded` is what its figures say
    by themselves, where the run is not to be judged by them."""

    text: str
    verdict: SloVerdict
    measured: str
    recorded: SloVerdict | None = None


@dataclass(frozen=True, slots=True)
class LoadRun:
    """A whole load test. `ended_at` is None for one that was broken off: `invalid` says so too."""

    version: int
    id: str
    command: str
    started_at: str  # ISO 8601, UTC
    ended_at: str | None
    target: str
    scenarios: dict[str, float]  # weights by name
    method: LoadMethod
    environment: dict[str, str]
    measured_s: float
    rate: float  # answers without failure a second
    total: StepResult
    steps: tuple[StepResult, ...]
    tenants: tuple[TenantResult, ...]
    fairness: Fairness | None
    seconds: tuple[Second, ...]
    rig: Rig
    server: ServerSide
    slos: tuple[SloResult, ...] = ()
    complaints: tuple[str, ...] = ()  # why figures are to be read with care: not steady, overload
    invalid: tuple[str, ...] = ()  # why they are not to be read at all: a worker is missing
    note: str = ""

    @property
    def p95(self) -> Interval | None:
        """The p95 of all latencies in ms, where there is one."""
        found = self.total.latency.at(0.95)
        if found is None or found.value_ms is None:
            return None
        low = found.value_ms if found.low_ms is None else found.low_ms
        high = found.value_ms if found.high_ms is None else found.high_ms
        return Interval(found.value_ms, low, high)


class Change(StrEnum):
    """What became of a figure from one run to another."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"  # within the margin, with the whole interval
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class LoadDifference:
    """A figure of a step before and after. The ratio is after to before; None where it has none."""

    step: str  # empty: all steps
    what: str  # such as "p99" or "rate"
    before: float | None  # ms, or a second
    after: float | None
    ratio: Interval | None
    verdict: Change


@dataclass(frozen=True, slots=True)
class LoadComparison:
    """Two runs beside each other, or several of each side, by their ids."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    differences: tuple[LoadDifference, ...]
    unlike: tuple[str, ...] = ()  # what differs in method: a difference may be due to it
    complaints: tuple[str, ...] = ()  # why differences are to be read with care


@dataclass(frozen=True, slots=True)
class CapacityPoint:
    """A rate that was tried, and what became of the objectives at it."""

    rate: float  # asked for
    verdict: SloVerdict
    slos: tuple[SloResult, ...] = ()
    latency: Quantile | None = None  # the one that `CapacityResult.drawn` names
    done: float = 0.0  # answers without failure a second
    limited: tuple[str, ...] = ()  # as `Rig.limited`: then it says nothing of the server
    late: tuple[str, ...] = ()  # the same of a rate that holds although the loader was late
    run: str = ""  # the id of its run


@dataclass(frozen=True, slots=True)
class CapacityResult:
    """A search for the highest rate whose objectives hold; points in the order of the search."""

    slos: tuple[str, ...]
    points: tuple[CapacityPoint, ...]
    holds: float | None  # the highest rate that passed
    fails: float | None  # the lowest that failed above it; None: the search never saw one fail
    complaints: tuple[str, ...] = ()
    drawn: str = "p99"  # the percentile of the first objective of latency, such as p95[list]
    limit_ms: float | None = None  # of it, if any objective is of latency
    version: int = SEARCH_VERSION
    id: str = ""
    command: str = ""
    ended_at: str = ""  # ISO 8601, UTC
    target: str = ""
    scenarios: dict[str, float] = field(default_factory=dict)  # as in its runs
    of: str = "sessions"  # what begins at the rate; addresses are asked for in "requests"
