"""What a run found: plain values that every report, the history and the gate read.

They are written to a file as JSON; `VERSION` goes up when an older file could no longer be read.
Times are nanoseconds of one call, blocks are pages of 8 KiB, ratios are naive to efficient: above 1
the efficient way is faster.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

VERSION: Final = 1
LARGE_ROUNDS: Final = 2  # of a large pair at most, whose calls are long


class Verdict(StrEnum):
    """What a run can say of two ways at one size."""

    EFFICIENT = "efficient wins"
    NAIVE = "naive wins"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    TOO_NOISY = "too noisy"
    REFUSED = "refused"


class Finding(StrEnum):
    """What a run can say of a claim."""

    HOLDS = "holds"
    REFUTED = "refuted"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and the bounds between which the truth lies with the run's confidence."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The plain figures of all samples of one variant at one size; None where n is too small."""

    n: int
    mean_ns: float
    median_ns: float
    stdev_ns: float | None
    min_ns: float
    max_ns: float
    p95_ns: float | None


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of a call as PostgreSQL ran it in the untimed pass, so many `times` with one form
    of plan: figures are of all of them, the plan is that of the first.

    `plan` is None where PostgreSQL explains nothing, such as for a savepoint. A long text is cut.
    """

    sql: str
    times: int = 1
    plan: str | None = None
    fingerprint: str = ""
    indexes: tuple[str, ...] = ()
    rows: int = 0
    blocks_hit: int = 0
    blocks_read: int = 0
    wal_bytes: int = 0
    full_pages: int = 0  # in the WAL, as the first change after a checkpoint writes each whole


@dataclass(frozen=True, slots=True)
class Counters:
    """What a call costs apart from time, counted in an untimed pass on several draws.

    All are of the first draw, but `blocks_by_draw`, which has hit and read together for each.
    """

    statements: tuple[Statement, ...]
    blocks_by_draw: tuple[int, ...]
    peak_bytes: int  # what Python's allocator held at most during the call

    @property
    def sent(self) -> int:
        """How many statements were sent."""
        return sum(each.times for each in self.statements)

    @property
    def blocks(self) -> int:
        return sum(each.blocks_hit + each.blocks_read for each in self.statements)

    @property
    def wal_bytes(self) -> int:
        return sum(each.wal_bytes for each in self.statements)

    @property
    def full_pages(self) -> int:
        """Blocks that stand whole in the WAL: its size is chance where there are any."""
        return sum(each.full_pages for each in self.statements)

    @property
    def rows(self) -> int:
        """Rows that PostgreSQL handed over, of all statements."""
        return sum(each.rows for each in self.statements)

    @property
    def fingerprint(self) -> str:
        """One text for the plans of all statements."""
        return " ".join(each.fingerprint for each in self.statements)

    @property
    def indexes(self) -> tuple[str, ...]:
        """The indexes that are read, each once."""
        return tuple(dict.fromkeys(name for each in self.statements for name in each.indexes))


@dataclass(frozen=True, slots=True)
class VariantResult:
    """One way at one size. `samples` has the rounds of each execution, in their order; a sample is
    the time of a call, of the mean of `calls` in a row. It is empty where nothing was timed."""

    name: str
    counters: Counters | None
    calls: int
    samples: tuple[tuple[float, ...], ...]
    summary: Summary | None
    gc_share: float  # of the time, 0 to 1, that the garbage collector took
    note: str = ""  # why it was not timed


@dataclass(frozen=True, slots=True)
class Comparison:
    """A naive way beside the efficient one at one size."""

    efficient: str
    naive: str
    verdict: Verdict
    ratio: Interval | None = None
    saved_ns: Interval | None = None  # a call
    reason: str = ""
    advice: str = ""  # what would narrow the interval


@dataclass(frozen=True, slots=True)
class SizeResult:
    """All ways at one size: `rows` of a draw by each, proven equal unless `refusal` is set."""

    size: int
    rows: int
    digest: str  # of the rows of all draws
    variants: tuple[VariantResult, ...]
    comparisons: tuple[Comparison, ...]
    refusal: str = ""

    def variant(self, name: str) -> VariantResult | None:
        return next((each for each in self.variants if each.name == name), None)

    def comparison(self, naive: str) -> Comparison | None:
        return next((each for each in self.comparisons if each.naive == naive), None)


@dataclass(frozen=True, slots=True)
class Growth:
    """How one way grows from the smallest size to the largest: of = "time" or "blocks".

    Flat is what does not grow: it may fall, as rows of a tenant lie closer together in a larger
    table. `exponent` is k of `a + b·N^k`, and None where the growth is too small to tell one.
    """

    variant: str
    of: str
    sizes: tuple[int, ...]
    factor: Interval
    is_flat: bool
    exponent: Interval | None
    floor: float | None = None  # a
    slope: float | None = None  # b


@dataclass(frozen=True, slots=True)
class Payoff:
    """From how many rows on the efficient way wins over a naive one, at each size from there on.

    `size` is None where it does not up to the largest; `after` is the last size before.
    """

    naive: str
    size: int | None
    after: int | None
    text: str


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """A claim of the catalogue and what became of it."""

    text: str
    finding: Finding
    measured: str
    is_deterministic: bool  # on counters, not on time


@dataclass(frozen=True, slots=True)
class VariantInfo:
    """A way as the catalogue declares it."""

    name: str
    is_efficient: bool
    says: str


@dataclass(frozen=True, slots=True)
class PairResult:
    """One pair at all its sizes."""

    name: str
    title: str
    page: str  # of docs/patterns
    caveat: str  # when it does not pay
    variants: tuple[VariantInfo, ...]
    sizes: tuple[SizeResult, ...]
    growth: tuple[Growth, ...]
    payoffs: tuple[Payoff, ...]
    claims: tuple[ClaimResult, ...]
    skipped: str = ""  # why nothing was measured
    is_large: bool = False  # its calls are long: see `Method.of_large`

    @property
    def efficient(self) -> VariantInfo:
        return next(each for each in self.variants if each.is_efficient)


@dataclass(frozen=True, slots=True)
class Controls:
    """What the run found where the answer was known.

    The A/A control compares a call with itself; `noise_floor` and `resolves` are ratios above 1: no
    smaller difference is believed, or found. The delayed control is the same call with a delay of
    `delay_ratio` of its time.
    """

    same: Interval
    same_verdict: Verdict
    delayed: Interval
    delayed_verdict: Verdict
    delay_ratio: float
    noise_floor: float
    resolves: float
    harness_ns: float  # the harness's own cost of a call in a sample
    yardstick: tuple[float, ...]  # a fixed piece of work in each execution, ns
    complaints: tuple[str, ...]  # why this run's figures are to be read with care


@dataclass(frozen=True, slots=True)
class Method:
    """How the run was made."""

    executions: int
    rounds: int
    draws: int
    sample_ms: float
    confidence: float
    margin: float
    cache: str  # "warm" or "cold"
    seed: int

    @property
    def of_large(self) -> Method:
        """How the run's large pairs were measured: of one draw, and a sample is one call."""
        return replace(self, draws=1, rounds=min(self.rounds, LARGE_ROUNDS), sample_ms=0.0)


@dataclass(frozen=True, slots=True)
class Run:
    """A whole run. `ended_at` is None for one that was broken off; what is there is valid."""

    version: int
    id: str
    command: str
    started_at: str  # ISO 8601, UTC
    ended_at: str | None
    method: Method
    environment: dict[str, str]
    controls: Controls | None
    pairs: tuple[PairResult, ...]
    note: str = ""
