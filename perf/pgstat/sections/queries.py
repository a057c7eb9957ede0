"""Which statements took the time, over the window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from perf.pgstat import statements
from perf.pgstat.capabilities import STATEMENT_STATISTICS, TRACK, TRACK_REMEDY
from perf.pgstat.deltas import Flag
from perf.pgstat.origins import SHOWN, origins
from perf.pgstat.results import LINES, Column, Confidence, Finding, Kind, Place, Row, Severity
from perf.pgstat.section import Check, NotEnough, Reading, Section, Unreadable, ratio
from perf.pgstat.statements import Shape, Sort, Statement
from perf.pgstat.views import STATEMENT_COUNTS, STATEMENT_INFO

SLOW_MS: Final = 100
SLOW_CALLS: Final = 10
STRICT_MS: Final = 20
STRICT_CALLS: Final = 100
LARGE_SHARE: Final = 0.1
LARGE_MS: Final = 1_000
WORSE: Final = 1.5
WORSE_MS: Final = 5
WORSE_BLOCKS: Final = 100
COMPARED_CALLS: Final = 100

# What `--sort` takes, and the column that it sorts by.
SORTS: Final = {
    "time": "total_time_ms",
    "mean": "mean_ms",
    "calls": "calls",
    "rows": "rows",
    "io": "read_blocks",
    "temp": "temp_bytes",
    "wal": "wal_bytes",
}
_BLOCKS: Final = ("shared_blks_hit", "shared_blks_read", "local_blks_hit", "local_blks_read")
_READ: Final = ("shared_blks_read", "local_blks_read", "temp_blks_read")


def _read(reading: Reading) -> list[Row]:
    by = SORTS.get(reading.options.sort)
    if by is None:
        raise Unreadable(f"Statements can be sorted by {', '.join(SORTS)}.")
    known = statements.shapes(reading.server)
    found = statements.over(reading.deltas, known)
    reading.notes.extend(_notes(reading, found))
    total_ms = sum(each.time_ms or 0 for each in found.found)
    pairs = [(each, _row(each, reading, total_ms)) for each in found.found]
    pairs.sort(key=lambda pair: _order(pair[1], by))
    _add_texts(reading, pairs)
    _add_origins(reading, pairs)
    return [row for _, row in pairs]


def _order(row: Row, by: str) -> Any:
    return row[by] is None, -(row[by] or 0)  # type: ignore[operator]


def _row(found: Statement, reading: Reading, total_ms: float) -> Row:
    calls, time_ms, rows = found.sum("calls"), found.time_ms, found.sum("rows")
    block_bytes = int(reading.can.settings.get("block_size", 8192))
    temp = found.sum("temp_blks_written")
    planning = reading.can.setting_on("pg_stat_statements.track_planning")
    return {
        "queryid": str(found.ids[0]) if found.ids else None,
        "kind": str(found.shape.sort),
        "query": _name(found.shape),
        "statements": found.rows,
        "calls": calls,
        "calls_per_s": ratio(calls, reading.deltas.seconds(STATEMENT_INFO)),
        "total_time_ms": time_ms,
        "share": ratio(time_ms, total_ms),
        "mean_ms": ratio(time_ms, calls),
        "rows": rows,
        "rows_per_call": ratio(rows, calls),
        "blocks_per_call": ratio(found.sum(*_BLOCKS), calls),
        "read_blocks": found.sum(*_READ),
        "temp_bytes": None if temp is None else temp * block_bytes,
        "wal_bytes": found.sum("wal_bytes"),
        "plan_time_ms": found.sum("total_plan_time") if planning else None,
        "since": "window" if found.flags <= {Flag.PLAIN} else "within the window",
    }


def _name(shape: Shape) -> str | None:
    return shape.key if shape.sort in (Sort.UTILITY, Sort.CURSOR, Sort.OWN) else None


def _add_texts(reading: Reading, pairs: Sequence[tuple[Statement, Row]]) -> None:
    """Put the texts to the rows that are shown, and to those that a finding will tell of."""
    told = [
        (found, row)
        for number, (found, row) in enumerate(pairs)
        if found.shape.sort in (Sort.QUERY, Sort.FORGOTTEN)
        and (reading.options.top is None or number < reading.options.top or _slow(row, reading))
    ]
    wanted = {found.ids[0] for found, _ in told}
    known = statements.texts(reading.server, list(wanted))
    known |= reading.kept_texts(wanted - known.keys())
    for found, row in told:
        row["query"] = known.get(found.ids[0])


def _add_origins(reading: Reading, pairs: Sequence[tuple[Statement, Row]]) -> None:
    """Put to each row which lines it comes from; unknown where nothing was ever monitored."""
    known = origins()
    if known.since is None:
        reading.notes.append("No monitored process has left what it asked: see docs/monitor.md.")
    else:
        reading.notes.append(f"Origins are of monitored requests since {known.since[:19]} UTC.")
    for found, row in pairs:
        told = known.of(found.ids)
        row["origins"] = [str(each) for each in told[:SHOWN]] if known.since else None
        row["origin_calls"] = sum(each.calls for each in told) if known.since else None


def _notes(reading: Reading, found: statements.Statements) -> Iterator[str]:
    since = reading.deltas.seconds(STATEMENT_INFO)
    if reading.deltas.before is None:
        known = "nobody knows how long" if since is None else f"{since / 86_400:,.1f} days"
        yield f"Statements have been counted for: {known}."
    hidden = [each for each in found.found if each.shape.sort is Sort.HIDDEN]
    if found.forgotten and not hidden:  # else they may just be out of sight
        yield (
            f"{found.forgotten:,} rows were forgotten or reset within the window: what they "
            "counted in it is lost. Raise pg_stat_statements.max if this goes on."
        )
    for each in hidden:
        yield (
            f"{each.rows:,} rows are of other roles, and this one may not read their texts: "
            f"GRANT pg_read_all_stats TO {reading.can.role_in_sql};"
        )
    if not reading.server.has(STATEMENT_COUNTS.name, "toplevel") and (
        reading.can.settings.get("pg_stat_statements.track") == "all"
    ):
        yield (
            "This version of the extension can't tell what a function asked from what was sent: "
            "both are counted."
        )


def _slow(row: Row, reading: Reading) -> Severity | None:
    """How much a row matters; None for one that is fast enough."""
    if row["kind"] not in (Sort.QUERY, Sort.CURSOR):
        return None
    found: Any = row
    strict = reading.options.strict
    mean_ms, calls = (STRICT_MS, STRICT_CALLS) if strict else (SLOW_MS, SLOW_CALLS)
    if (found["mean_ms"] or 0) >= mean_ms and found["calls"] >= calls:
        return Severity.WARNING
    if (found["share"] or 0) >= LARGE_SHARE and found["total_time_ms"] >= LARGE_MS:
        return Severity.INFO
    return None


def _find_slow(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        if severity := _slow(row, reading):
            found: Any = row
            yield SLOW.finding(
                severity,
                f"A statement takes {found['mean_ms']:,.1f} ms a call, in {found['calls']:,} calls,"
                f" and {found['share']:.0%} of all time: {found['query'] or found['queryid']}",
                place=Place(name=found["queryid"]),
                evidence=row,
                caveats=(
                    "It is the time in the database: planning and the way to it come on top.",
                ),
            )
    if reading.can.settings.get(TRACK) == "none":
        raise Unreadable(f"{TRACK} is none: no statement is counted.", TRACK_REMEDY)
    for row in rows:
        if row["kind"] == Sort.HIDDEN:
            raise Unreadable(
                f"{row['statements']:,} rows of other roles can't be told apart.",
                f"GRANT pg_read_all_stats TO {reading.can.role_in_sql};",
            )


def _find_worse(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    if reading.earlier is None:
        raise NotEnough("There is no earlier window to compare this one with.")
    known = statements.shapes(reading.server)
    now = {each.shape: each for each in statements.over(reading.deltas, known).found}
    then = {each.shape: each for each in statements.over(reading.earlier, known).found}
    worse = [
        _worse(now[shape], then[shape])
        for shape in now.keys() & then.keys()
        if shape.sort in (Sort.QUERY, Sort.CURSOR, Sort.FORGOTTEN)
    ]
    findings = sorted((each for each in worse if each), key=lambda each: str(each.place))
    names = statements.texts(reading.server, [int(str(each.place)) for each in findings])
    for each in findings:
        text = names.get(int(str(each.place)))
        yield replace(each, what=f"{each.what}: {text or each.place}")


def _worse(now: Statement, then: Statement) -> Finding | None:
    calls, were = now.sum("calls"), then.sum("calls")
    if min(calls or 0, were or 0) < COMPARED_CALLS:
        return None
    mean, mean_was = ratio(now.time_ms, calls) or 0, ratio(then.time_ms, were) or 0
    blocks, blocks_were = (
        ratio(each.sum(*_BLOCKS), each.sum("calls")) or 0 for each in (now, then)
    )
    reads_more = blocks > WORSE * blocks_were and blocks - blocks_were >= WORSE_BLOCKS
    if not reads_more and not (mean > WORSE * mean_was and mean - mean_was >= WORSE_MS):
        return None
    return REGRESSION.finding(
        Severity.WARNING,
        f"A call takes {mean:,.1f} ms and {blocks:,.0f} blocks; it was {mean_was:,.1f} ms and "
        f"{blocks_were:,.0f} blocks",
        # Blocks do not depend on what else the server does.
        confidence=Confidence.HIGH if reads_more else Confidence.MEDIUM,
        place=Place(name=str(now.ids[0])),
        evidence={
            "queryid": str(now.ids[0]),
            "calls": calls,
            "earlier_calls": were,
            "mean_ms": mean,
            "earlier_mean_ms": mean_was,
            "blocks_per_call": blocks,
            "earlier_blocks_per_call": blocks_were,
        },
    )


SLOW: Final = Check(
    "QS",
    "slow-queries",
    "Statements that are slow, or take much of the time",
    "A mean of at least 100 ms in at least 10 calls, which people notice; or at least 10 % of all "
    "time and 1 s in the window, told as info: somebody has to be first. Strict: 20 ms in 100 "
    "calls, as PgHero has it. Utility commands are left out.",
    _find_slow,
)
REGRESSION: Final = Check(
    "QR",
    "slower-queries",
    "Statements that have become slower",
    "More than 1.5 times the mean of the earlier window and 5 ms more, with at least 100 calls in "
    "both: less is noise. Or more than 1.5 times the blocks of a call and 100 blocks more, which "
    "no load can cause.",
    _find_worse,
)

SECTION: Final = Section(
    "queries",
    "Statements",
    "Which statements took the time, of this database, as they were sent.",
    (
        Column("queryid", "text", Kind.LABEL, "id, of the row that took most", "queryid"),
        Column(
            "kind", "text", Kind.LABEL, "query, cursor, utility, pgstat, forgotten or hidden",
            "query",
        ),
        Column(
            "origins", LINES, Kind.LABEL, "endpoints and lines that have sent it",
            "the monitor, by queryid",
        ),
        Column("query", "sql", Kind.LABEL, "statement, without values", "query"),
        Column("statements", "count", Kind.GAUGE, "rows that are this statement", "queryid"),
        Column("calls", "calls", Kind.COUNTER, "calls", "calls"),
        Column("calls_per_s", "calls/s", Kind.RATIO, "calls a second", "calls / window"),
        Column("total_time_ms", "ms", Kind.COUNTER, "time in execution", "total_exec_time"),
        Column(
            "share", "1", Kind.RATIO, "share of all statements' time",
            "total_exec_time / sum of total_exec_time",
        ),
        Column("mean_ms", "ms", Kind.RATIO, "time of a call", "total_exec_time / calls"),
        Column("rows", "rows", Kind.COUNTER, "rows", "rows"),
        Column("rows_per_call", "rows", Kind.RATIO, "rows of a call", "rows / calls"),
        Column(
            "blocks_per_call", "blocks", Kind.RATIO, "blocks of a call",
            "({shared,local}_blks_{hit,read}) / calls",
        ),
        Column(
            "read_blocks", "blocks", Kind.COUNTER, "asked of the system",
            "{shared,local,temp}_blks_read",
        ),
        Column(
            "temp_bytes", "bytes", Kind.COUNTER, "written to temporary files",
            "temp_blks_written × block_size",
        ),
        Column("wal_bytes", "bytes", Kind.COUNTER, "write-ahead log", "wal_bytes"),
        Column(
            "plan_time_ms", "ms", Kind.COUNTER, "time in planning, where that is tracked",
            "total_plan_time",
        ),
        Column(
            "origin_calls", "calls", Kind.GAUGE, "sent by monitored requests since they began",
            "the monitor, by queryid",
        ),
        Column(
            "since", "text", Kind.GAUGE, "counted through the window, or from within it",
            "stats_since",
        ),
    ),
    _read,
    (SLOW, REGRESSION),
    (STATEMENT_STATISTICS,),
)  # fmt: skip
