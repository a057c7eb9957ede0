"""Who waits for a lock now, and for whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from perf.pgstat.results import Column, Finding, Fix, Kind, Place, Row, Severity
from perf.pgstat.section import Check, Reading, Section
from perf.pgstat.sections.activity import IDLE
from perf.pgstat.waiting import PREPARED, tree

LONG_S: Final = 30, 300


def _read(reading: Reading) -> list[Row]:
    rows = tree(reading.server)
    if rows and not reading.can.reads_all_stats:
        reading.notes.append(
            "What sessions of other roles are doing can't be seen: "
            f"GRANT pg_read_all_stats TO {reading.can.role_in_sql};"
        )
    return rows


def _find(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        found: Any = row
        longest_s = found["longest_wait_s"] or 0
        if row["depth"] != 0 or longest_s < LONG_S[0]:
            continue
        first: Any = next(each for each in rows if _waits_for(each, row))
        on = f" for {first['schema']}.{first['relation']}" if first["relation"] else ""
        yield BLOCKED.finding(
            Severity.CRITICAL if longest_s >= LONG_S[1] else Severity.WARNING,
            f"Session {row['pid']} ({row['state'] or 'not to be seen'}) keeps {row['victims']} "
            f"others waiting, up to {longest_s:,.0f} s{on}.",
            place=Place(name=str(row["pid"])),
            evidence=row,
            fix=_fix(row),
            caveats=tuple(_caveats(row, rows)),
        )


def _waits_for(waiter: Any, row: Row) -> bool:
    return str(row["pid"]) in waiter["blocked_by"]


def _same_root(one: Row, other: Row) -> bool:
    return one["root_pid"] == other["root_pid"]


def _fix(root: Row) -> Fix | None:
    if root["pid"] == PREPARED:
        return Fix(sql="SELECT gid, prepared FROM pg_prepared_xacts ORDER BY prepared;")
    if root["state"] in IDLE:
        return None  # a cancel ends a statement, and it runs none
    return Fix(sql=f"SELECT pg_cancel_backend({root['pid']});", online=True)


def _caveats(root: Row, rows: Sequence[Row]) -> Iterator[str]:
    if root["state"] in IDLE:
        yield "It is idle in a transaction, which a cancel does not end: its program has to."
    for each in rows:
        if each["depth"] and each["victims"] and _same_root(each, root):
            yield (
                f"Session {each['pid']} waits for {each['lock']} itself, and keeps "
                f"{each['victims']} of them waiting: cancelled, it would let them pass."
            )


BLOCKED: Final = Check(
    "LK",
    "blocked-sessions",
    "Sessions that wait for a lock",
    "30 s, critical from 300 s, of the longest wait for one session: a request has timed out by "
    "then. The figures are those of Plain's `postgres diagnose`.",
    _find,
)

SECTION: Final = Section(
    "locks",
    "Locks",
    "Who waits for a lock, below who it waits for. A statement that waits itself, such as an ALTER "
    "TABLE, keeps waiting who comes after it.",
    (
        Column("depth", "count", Kind.LABEL, "how far below", "pg_blocking_pids"),
        Column("pid", "id", Kind.LABEL, "process", "pg_locks.pid"),
        Column("root_pid", "count", Kind.LABEL, "who waits for nobody", "pg_blocking_pids"),
        Column("blocked_by", "text", Kind.LABEL, "waits for", "pg_blocking_pids"),
        Column("victims", "count", Kind.GAUGE, "wait for it", "pg_blocking_pids, all the way"),
        Column("longest_wait_s", "s", Kind.GAUGE, "longest wait for it", "now - waitstart"),
        Column("wait_s", "s", Kind.GAUGE, "has been waiting", "now - pg_locks.waitstart"),
        Column("lock", "text", Kind.LABEL, "lock that it waits for", "pg_locks.mode"),
        Column("lock_type", "text", Kind.LABEL, "of what kind", "pg_locks.locktype"),
        Column("schema", "text", Kind.LABEL, "schema", "pg_namespace.nspname"),
        Column("relation", "text", Kind.LABEL, "relation", "pg_class.relname"),
        Column("state", "text", Kind.LABEL, "state", "pg_stat_activity.state"),
        Column("transaction_s", "s", Kind.GAUGE, "age of the transaction", "now - xact_start"),
        Column("role", "text", Kind.LABEL, "role", "pg_stat_activity.usename"),
        Column("application", "text", Kind.LABEL, "application", "application_name"),
        Column("query", "text", Kind.LABEL, "last statement, without values", "query"),
    ),
    _read,
    (BLOCKED,),
)  # fmt: skip
