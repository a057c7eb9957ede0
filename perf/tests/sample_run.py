"""A run as the lab would write it, made up: each verdict, each finding, refusals, a skipped pair.

Nothing here was measured; the numbers only have to look like it, and be the same each time.
"""

from __future__ import annotations

import dataclasses
import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perf.engine.results import (
    VERSION,
    ClaimResult,
    Comparison,
    Controls,
    Counters,
    Finding,
    Growth,
    Interval,
    Method,
    PairResult,
    Payoff,
    Run,
    SizeResult,
    Statement,
    Summary,
    VariantInfo,
    VariantResult,
    Verdict,
)

SIZES = (1_000, 10_000, 100_000, 1_000_000)
EXECUTIONS, ROUNDS = 10, 3
FLOOR, MARGIN = 1.04, 0.10
STUDENT = 2.262  # for ten executions and 95 %


@dataclass(frozen=True)
class Way:
    """A made-up way: a + b·N^k nanoseconds, and what it asks of the database at N rows."""

    name: str
    says: str
    floor: float
    slope: float = 0.0
    exponent: float = 1.0
    noise: float = 0.06
    statements: Callable[[int], tuple[Statement, ...]] = lambda _: ()
    peak: int = 48_000
    up_to: int = 10**9  # the largest size at which it is timed

    def time(self, size: int) -> float:
        power: float = size**self.exponent
        return self.floor + self.slope * power


KEYSET_SQL = """\
SELECT "tasks_task"."id", "tasks_task"."title", "tasks_task"."created_at"
FROM "tasks_task"
WHERE "tasks_task"."tenant_id" = 17
  AND ("tasks_task"."created_at", "tasks_task"."id") < ('2026-03-01 10:00:00+00', 51234)
ORDER BY "tasks_task"."created_at" DESC, "tasks_task"."id" DESC
LIMIT 50"""
KEYSET_PLAN = """\
Limit  (rows=50)
  ->  Index Scan Backward using task_tenant_created_idx on tasks_task  (rows=50 loops=1)
        Index Cond: ((tenant_id = 17) AND \
(ROW(created_at, id) < ROW('2026-03-01 10:00:00+00'::timestamptz, 51234)))
        Buffers: shared hit=7"""
OFFSET_SQL = """\
SELECT "tasks_task"."id", "tasks_task"."title", "tasks_task"."created_at"
FROM "tasks_task"
WHERE "tasks_task"."tenant_id" = 17
ORDER BY "tasks_task"."created_at" DESC, "tasks_task"."id" DESC
LIMIT 50 OFFSET {offset}"""
OFFSET_PLAN = """\
Limit  (rows=50)
  ->  Index Scan Backward using task_tenant_created_idx on tasks_task  (rows={rows} loops=1)
        Index Cond: (tenant_id = 17)
        Buffers: shared hit={hit} read={read}"""
COUNT_SQL = """SELECT COUNT(*) AS "__count" FROM "tasks_task" WHERE "tasks_task"."tenant_id" = 17"""
COUNT_PLAN = """\
Aggregate  (rows=1)
  ->  Index Only Scan using task_tenant_created_idx on tasks_task  (rows={rows} loops=1)
        Index Cond: (tenant_id = 17)
        Heap Fetches: 0
        Buffers: shared hit={hit}"""
SEEK = "Index Scan Backward(tasks_task.task_tenant_created_idx)"


def keyset(_: int) -> tuple[Statement, ...]:
    return (_indexed(KEYSET_SQL, KEYSET_PLAN, f"Limit({SEEK})", rows=50, hit=7),)


def offset(size: int) -> tuple[Statement, ...]:
    hit, read = 4 + size // 60, size // 900
    plan = OFFSET_PLAN.format(rows=size // 2 + 50, hit=hit, read=read)
    sql = OFFSET_SQL.format(offset=size // 2)
    return (_indexed(sql, plan, f"Limit({SEEK} deep)", rows=50, hit=hit, read=read),)


def counted(size: int) -> tuple[Statement, ...]:
    hit = 3 + size // 250
    plan = COUNT_PLAN.format(rows=size, hit=hit)
    return (_indexed(COUNT_SQL, plan, "Aggregate(Index Only Scan)", rows=1, hit=hit),)


def offset_counted(size: int) -> tuple[Statement, ...]:
    return *counted(size), *offset(size)


def one_by_one(table: str, times: int) -> Statement:
    return Statement(
        sql=f'SELECT "{table}"."id", "{table}"."name" FROM "{table}" WHERE "{table}"."id" = 7',
        times=times,
        plan=f"Index Scan using {table}_pkey on {table}  (rows=1)\n  Index Cond: (id = 7)",
        fingerprint=f"Index Scan({table}.{table}_pkey)",
        indexes=(f"{table}_pkey",),
        rows=times,
        blocks_hit=4 * times,
    )


INSERT_PLAN = """\
Insert on tasks_task  (rows=0)
  ->  Result  (rows=1)
      WAL: records=4 bytes=412"""


def inserts(times: int) -> tuple[Statement, ...]:
    return tuple(
        Statement(
            sql=f'INSERT INTO "tasks_task" ("title", "tenant_id") VALUES (\'made up {at}\', 17)',
            plan=INSERT_PLAN,
            fingerprint="Insert(Result)",
            blocks_hit=11,
            wal_bytes=412,
        )
        for at in range(times)
    )


def copy(times: int) -> tuple[Statement, ...]:
    sql = 'COPY "tasks_task" ("title", "tenant_id") FROM STDIN'
    return (Statement(sql=sql, blocks_hit=9 * times, wal_bytes=230 * times),)


def _indexed(
    sql: str, plan: str, fingerprint: str, *, rows: int, hit: int, read: int = 0
) -> Statement:
    return Statement(
        sql=sql,
        plan=plan,
        fingerprint=fingerprint,
        indexes=("task_tenant_created_idx",),
        rows=rows,
        blocks_hit=hit,
        blocks_read=read,
    )


# Figures from ways


def variant_result(way: Way, size: int, rng: random.Random) -> VariantResult:
    """Ten executions with a shift of their own each, three rounds in each."""
    statements = way.statements(size)
    blocks = sum(each.blocks_hit + each.blocks_read for each in statements)
    counters = Counters(statements, (blocks, blocks + 1, blocks), way.peak)
    if size > way.up_to:
        note = f"a call takes {way.time(size) / 1e9:.3g} s, over the limit of 2 s"
        return VariantResult(way.name, counters, 0, (), None, 0.0, note)
    samples = tuple(_execution(way, size, rng) for _ in range(EXECUTIONS))
    calls = max(1, round(2e7 / way.time(size)))
    return VariantResult(way.name, counters, calls, samples, summary(samples), 0.004)


def _execution(way: Way, size: int, rng: random.Random) -> tuple[float, ...]:
    shift = rng.gauss(0, way.noise / 2)
    spikes = (0.25 if rng.random() < 0.05 else 0.0 for _ in range(ROUNDS))
    return tuple(
        way.time(size) * math.exp(shift + rng.gauss(0, way.noise / 2) + spike) for spike in spikes
    )


def summary(samples: Sequence[Sequence[float]]) -> Summary:
    every = sorted(each for execution in samples for each in execution)
    return Summary(
        n=len(every),
        mean_ns=statistics.fmean(every),
        median_ns=statistics.median(every),
        stdev_ns=statistics.stdev(every) if len(every) > 1 else None,
        min_ns=every[0],
        max_ns=every[-1],
        p95_ns=every[int(len(every) * 0.95)] if len(every) >= 20 else None,
    )


def comparison(efficient: VariantResult, naive: VariantResult) -> Comparison:
    """The verdict follows from the made-up samples by the lab's rules, in short."""
    if not efficient.samples or not naive.samples:
        return Comparison(efficient.name, naive.name, Verdict.INCONCLUSIVE, reason=naive.note)
    logs = [
        math.log(statistics.median(slow) / statistics.median(quick))
        for quick, slow in zip(efficient.samples, naive.samples, strict=True)
    ]
    middle, half = statistics.fmean(logs), STUDENT * statistics.stdev(logs) / len(logs) ** 0.5
    ratio = Interval(math.exp(middle), math.exp(middle - half), math.exp(middle + half))
    quick = statistics.median(statistics.median(each) for each in efficient.samples)
    saved = Interval(*(quick * (each - 1) for each in (ratio.estimate, ratio.low, ratio.high)))
    verdict = _verdict(ratio, half)
    reason, advice = _reason(verdict, ratio)
    return Comparison(efficient.name, naive.name, verdict, ratio, saved, reason, advice)


def _verdict(ratio: Interval, half: float) -> Verdict:
    if half > math.log(1 + MARGIN):
        return Verdict.TOO_NOISY
    if ratio.low > FLOOR:
        return Verdict.EFFICIENT
    if ratio.high < 1 / FLOOR:
        return Verdict.NAIVE
    inside = ratio.low > 1 / (1 + MARGIN) and ratio.high < 1 + MARGIN
    return Verdict.EQUIVALENT if inside else Verdict.INCONCLUSIVE


def _reason(verdict: Verdict, ratio: Interval) -> tuple[str, str]:
    bounds = f"{ratio.low:.3g} to {ratio.high:.3g}"
    match verdict:
        case Verdict.EFFICIENT:
            return f"the efficient way is at least {ratio.low:.3g} times as fast", ""
        case Verdict.NAIVE:
            return f"the naive way is at least {1 / ratio.high:.3g} times as fast", ""
        case Verdict.EQUIVALENT:
            return "the whole interval is within the margin of 10%", ""
        case Verdict.TOO_NOISY:
            reason = f"{bounds} is wider than the margin of 10% to each side"
            return reason, "More executions: 71% of the variance comes from what they differ by."
    return (
        f"{bounds} reaches into this run's noise, up to 1.04",
        "More rounds: 58% of the variance comes from the rounds of an execution.",
    )


def size_result(ways: Sequence[Way], size: int, rng: random.Random, rows: int) -> SizeResult:
    results = tuple(variant_result(way, size, rng) for way in ways)
    return SizeResult(
        size=size,
        rows=rows,
        digest=f"{rng.getrandbits(64):016x}",
        variants=results,
        comparisons=tuple(comparison(results[0], naive) for naive in results[1:]),
    )


def refused_size(ways: Sequence[Way], size: int, refusal: str) -> SizeResult:
    nothing = tuple(VariantResult(each.name, None, 0, (), None, 0.0) for each in ways)
    comparisons = tuple(
        Comparison(ways[0].name, each.name, Verdict.REFUSED, reason=refusal) for each in ways[1:]
    )
    return SizeResult(size, 0, "", nothing, comparisons, refusal)


def growth(ways: Sequence[Way], sizes: Sequence[SizeResult]) -> tuple[Growth, ...]:
    measured = [each for each in sizes if not each.refusal]
    found = (_growth(way, measured, of) for way in ways for of in ("time", "blocks"))
    return tuple(each for each in found if each is not None)


def _growth(way: Way, sizes: Sequence[SizeResult], of: str) -> Growth | None:
    points = [(each.size, _value(each.variant(way.name), of)) for each in sizes]
    known = [(size, value) for size, value in points if value]
    if len(known) < 2:
        return None
    factor = known[-1][1] / known[0][1]
    spread = 1.04 if of == "time" else 1.0
    bounds = Interval(factor, factor / spread, factor * spread)
    at = tuple(size for size, _ in known)
    is_flat = bounds.high < 1.25 and bounds.low > 0.8
    if is_flat or bounds.low < 2 or len(known) < 3:
        return Growth(way.name, of, at, bounds, is_flat, None)
    if of == "blocks":
        slope = (known[-1][1] - known[0][1]) / (at[-1] - at[0])
        return Growth(way.name, of, at, bounds, False, Interval(1.0, 1.0, 1.0), 3.0, slope)
    near = Interval(way.exponent, way.exponent * 0.95, way.exponent * 1.04)
    return Growth(way.name, of, at, bounds, False, near, way.floor, way.slope)


def _value(found: VariantResult | None, of: str) -> float | None:
    if found is None:
        return None
    if of == "blocks":
        return float(found.counters.blocks) if found.counters else None
    return found.summary.median_ns if found.summary else None


def payoffs(ways: Sequence[Way], sizes: Sequence[SizeResult]) -> tuple[Payoff, ...]:
    return tuple(_payoff(each.name, sizes) for each in ways[1:])


def _payoff(naive: str, sizes: Sequence[SizeResult]) -> Payoff:
    from_size = after = None
    for each in sizes:
        found = each.comparison(naive)
        if found is None or found.ratio is None:
            continue
        if found.verdict is not Verdict.EFFICIENT:
            from_size, after = None, each.size
        elif from_size is None:
            from_size = each.size
    if from_size is None:
        return Payoff(naive, None, after, f"does not pay up to {after:,}")
    if after is None:
        text = f"pays from the smallest size on (≤ {from_size:,} rows)"
        return Payoff(naive, from_size, None, text)
    return Payoff(naive, from_size, after, f"pays from {from_size:,} rows on; not at {after:,}")


def pair_result(
    name: str,
    title: str,
    page: str,
    caveat: str,
    ways: Sequence[Way],
    claims: tuple[ClaimResult, ...],
    *,
    sizes: Sequence[int] = SIZES,
    refused: tuple[int, str] = (0, ""),
    rows: int = 50,
) -> PairResult:
    rng = random.Random(name)
    results = tuple(
        refused_size(ways, size, refused[1])
        if size == refused[0]
        else size_result(ways, size, rng, rows)
        for size in sizes
    )
    return PairResult(
        name=name,
        title=title,
        page=page,
        caveat=caveat,
        variants=tuple(VariantInfo(w.name, at == 0, w.says) for at, w in enumerate(ways)),
        sizes=results,
        growth=growth(ways, results),
        payoffs=payoffs(ways, results),
        claims=claims,
    )


# The pairs


def deep_page() -> PairResult:
    return pair_result(
        "tasks.deep_page",
        "A page at half depth",
        "pagination",
        "On the first page both are the same, and a keyset can't jump to page 17.",
        (
            Way("keyset", "Seeks in the index past the last row seen", 310_000, statements=keyset),
            Way(
                "offset", "Reads the rows before it and drops them", 300_000, 8.1, statements=offset
            ),
            Way(
                "offset_and_count",
                "OFFSET with the count of all pages, as Django's Paginator asks",
                520_000,
                19.4,
                statements=offset_counted,
            ),
        ),
        (
            ClaimResult(
                "keyset is at least 5 times as fast as offset at 1,000,000",
                Finding.HOLDS,
                "27 [25.9, 28.2] times",
                False,
            ),
            ClaimResult("keyset is flat in blocks", Finding.HOLDS, "1 [1, 1] times", True),
            ClaimResult("keyset sends 1 statement", Finding.HOLDS, "1", True),
        ),
    )


def existence() -> PairResult:
    return pair_result(
        "tasks.existence",
        "Whether there is any",
        "existence",
        "Where the rows are wanted anyway, fetch them and look.",
        (
            Way("exists", "Stops at the first row", 205_000, statements=keyset),
            Way(
                "count", "Counts all to compare with zero", 215_000, 0.021, 0.9, statements=counted
            ),
            Way(
                "fetch_all",
                "Fetches all rows and asks Python",
                260_000,
                2_900,
                statements=offset,
                peak=310_000_000,
                up_to=100_000,
            ),
        ),
        (
            ClaimResult("exists is flat in time", Finding.HOLDS, "1.01 [0.98, 1.04] times", False),
            ClaimResult(
                "count grows by N^1 in time", Finding.REFUTED, "N^0.9 [0.855, 0.936]", False
            ),
        ),
    )


def batch_insert() -> PairResult:
    return pair_result(
        "tasks.batch_insert",
        "200 rows at once",
        "batches",
        "Signals are not sent and `save()` of the model is not called.",
        (
            Way("copied", "COPY, one round trip", 2_100_000, statements=lambda _: copy(200)),
            Way("saved", "One INSERT a row", 61_000_000, statements=lambda _: inserts(200)),
        ),
        (
            ClaimResult(
                "copied is at least 10 times as fast as saved at 100,000",
                Finding.HOLDS,
                "29.1 [27.9, 30.4] times",
                False,
            ),
            ClaimResult("copied sends 1 statement", Finding.HOLDS, "1", True),
        ),
        sizes=(1_000, 10_000, 100_000),
        rows=0,
    )


def partial_index() -> PairResult:
    return pair_result(
        "tasks.partial_index",
        "Open tasks of a tenant",
        "partial_indexes",
        "Where most rows are open the partial index is as large as the full one.",
        (
            Way(
                "partial",
                "Reads an index of open tasks alone",
                262_000,
                noise=0.10,
                statements=keyset,
            ),
            Way("full", "Reads an index of all tasks", 225_000, 0.9, 0.85, 0.10, statements=offset),
        ),
        (
            ClaimResult(
                "partial is at least 3 times as fast as full at 100,000",
                Finding.UNDECIDED,
                "3.11 [2.88, 3.36] times",
                False,
            ),
            ClaimResult(
                "partial reads task_open_idx from 10,000 rows on",
                Finding.REFUTED,
                "task_tenant_created_idx instead at 10,000",
                True,
            ),
        ),
        refused=(1_000_000, "the rows differ: 50 by partial, 49 by full, first at draw 3"),
    )


def joined_names() -> PairResult:
    return pair_result(
        "projects.joined_names",
        "Tasks with the name of their project",
        "relations",
        "With few distinct projects a second query for them is as good as a join.",
        (
            Way("joined", "select_related: one statement", 910_000, statements=keyset),
            Way("prefetched", "prefetch_related: two", 925_000, statements=offset_counted),
            Way(
                "one_by_one",
                "Asks for the project of each task",
                9_800_000,
                statements=lambda _: (*keyset(0), one_by_one("projects_project", 50)),
            ),
        ),
        (ClaimResult("joined sends 1 statement", Finding.HOLDS, "1", True),),
    )


def unquiet() -> PairResult:
    return pair_result(
        "tasks.only_columns",
        "Two columns of a wide row",
        "columns",
        "A deferred column that is read after all costs a query a row.",
        (
            Way("columns", "Asks for two columns", 480_000, noise=0.5, statements=keyset),
            Way("whole_rows", "Asks for all of them", 560_000, noise=0.5, statements=keyset),
        ),
        (
            ClaimResult(
                "columns is at least 1.2 times as fast as whole_rows at 1,000,000",
                Finding.NOT_MEASURED,
                "not at 1,000,000",
                False,
            ),
        ),
        sizes=(100_000,),
    )


def _empty_size(one: str, other: str) -> SizeResult:
    nothing = tuple(VariantResult(each, None, 0, (), None, 0.0) for each in (one, other))
    comparison = Comparison(one, other, Verdict.INCONCLUSIVE, reason="it was not timed")
    return SizeResult(50_000, 0, "", nothing, (comparison,))


def skipped() -> PairResult:
    return PairResult(
        name="tasks.kept_answer",
        title="An answer out of Redis",
        page="caching",
        caveat="An answer that is asked for once is only stored in vain.",
        variants=(
            VariantInfo("kept", True, "Asks Redis first"),
            VariantInfo("asked_again", False, "Asks PostgreSQL each time"),
        ),
        sizes=(),
        growth=(),
        payoffs=(),
        claims=(
            ClaimResult(
                "kept sends 0 statements", Finding.NOT_MEASURED, "nothing was counted", True
            ),
        ),
        skipped="needs Redis: start one and set REDIS_URL",
    )


# Runs

METHOD = Method(
    executions=EXECUTIONS,
    rounds=ROUNDS,
    draws=5,
    sample_ms=20.0,
    confidence=0.95,
    margin=MARGIN,
    cache="warm",
    seed=42,
)
CONTROLS = Controls(
    same=Interval(1.004, 0.982, 1.027),
    same_verdict=Verdict.EQUIVALENT,
    delayed=Interval(1.197, 1.163, 1.232),
    delayed_verdict=Verdict.EFFICIENT,
    delay_ratio=0.2,
    noise_floor=FLOOR,
    resolves=1.12,
    harness_ns=310.0,
    yardstick=(8.1e6, 8.2e6, 8.0e6, 8.1e6, 9.6e6, 8.3e6, 8.1e6, 8.2e6, 8.1e6, 8.0e6),
    complaints=(
        "The machine was not quiet: a fixed piece of work took 20% longer in one execution than in "
        "another.",
    ),
)
ENVIRONMENT = {
    "PostgreSQL": "18.6",
    "Python": "3.13.0",
    "Django": "6.1.3",
    "psycopg": "3.3.9",
    "CPUs": "2",
    "CPU": "Intel Xeon 2.6 GHz",
    "system": "Linux 6.8",
    "load before": "0.22",
    "commit": "585bfabe0c1d",
    "changed since the commit": "yes",
    "shared_buffers": "128MB",
    "jit": "off",
}


def sample_run() -> Run:
    """A whole run with seven pairs."""
    return Run(
        version=VERSION,
        id="2026-11-26T140531-585bfab",
        command="manage.py benchmark run --large --seed 42",
        started_at="2026-11-26T14:05:31+00:00",
        ended_at="2026-11-26T14:21:07+00:00",
        method=METHOD,
        environment=dict(ENVIRONMENT),
        controls=CONTROLS,
        pairs=(
            batch_insert(),
            deep_page(),
            existence(),
            joined_names(),
            unquiet(),
            partial_index(),
            skipped(),
        ),
    )


def broken_off_run() -> Run:
    """The same, ended by hand after two pairs, before the controls were done."""
    run = sample_run()
    return dataclasses.replace(run, ended_at=None, controls=None, pairs=run.pairs[:2])


def empty_run() -> Run:
    """A run of nothing, on nothing that is known."""
    run = broken_off_run()
    method = dataclasses.replace(METHOD, executions=0, rounds=0)
    return dataclasses.replace(run, pairs=(), environment={}, method=method, command="")


def counted_run() -> Run:
    """A run in which rows were proven and statements counted, and nothing was timed."""
    run = sample_run()
    return dataclasses.replace(run, controls=None, pairs=tuple(map(_untimed, run.pairs)))


def _untimed(pair: PairResult) -> PairResult:
    sizes = tuple(
        dataclasses.replace(
            size,
            variants=tuple(
                dataclasses.replace(each, samples=(), summary=None, note="")
                for each in size.variants
            ),
            comparisons=tuple(
                Comparison(
                    each.efficient, each.naive, Verdict.INCONCLUSIVE, reason="it was not timed"
                )
                for each in size.comparisons
            ),
        )
        for size in pair.sizes
    )
    growths = tuple(each for each in pair.growth if each.of == "blocks")
    payoffs = tuple(Payoff(each.naive, None, None, "no size was compared") for each in pair.payoffs)
    return dataclasses.replace(pair, sizes=sizes, growth=growths, payoffs=payoffs)
