"""Dead rows and when autovacuum comes for them; how old the planner's statistics are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from perf.pgstat.deltas import Change, Flag
from perf.pgstat.fixes import quoted
from perf.pgstat.relations import Table, tables
from perf.pgstat.results import Column, Confidence, Finding, Fix, Kind, Row, Severity
from perf.pgstat.section import Check, Reading, Section, ratio
from perf.pgstat.server import Server
from perf.pgstat.views import TABLES

DEAD_SHARE: Final = 0.20
LEAST_DEAD: Final = 10_000
CHURN_SHARE: Final = 0.25
LEAST_ROWS: Final = 1_000
_TIMES: Final = ("last_vacuum", "last_autovacuum", "last_analyze", "last_autoanalyze")
_OFF: Final = ("off", "false", "no", "0")


def _read(reading: Reading) -> Iterator[Row]:
    known = reading.once(tables)
    changes = [
        each
        for each in reading.changes(TABLES)
        if each.flag is not Flag.EVICTED and each["relid"] in known
    ]
    _tell_holder(reading)
    live = _live_rows(known, changes)
    rows = [
        _row(reading, known[each["relid"]], each, live.get(each["relid"]))
        for each in changes
        if reading.wants(each["schemaname"])
    ]
    yield from sorted(rows, key=lambda row: -(row["dead_rows"] or 0))  # type: ignore[operator]


def _live_rows(known: Mapping[int, Table], changes: Sequence[Change]) -> dict[int, int]:
    """The rows of each table, those of a partitioned one as the sum of its partitions."""
    found: dict[int, int] = {}
    for each in changes:
        oid: int | None = each["relid"]
        while oid is not None and oid in known:
            found[oid] = found.get(oid, 0) + (each["n_live_tup"] or 0)
            oid = known[oid].parent
    return found


def _row(reading: Reading, table: Table, change: Change, live: int | None) -> Row:
    dead, changed = change.get("n_dead_tup"), change.get("n_mod_since_analyze")
    is_parent = table.kind == "p"
    return {
        "schema": table.schema,
        "table": table.name,
        "live_rows": live,
        "dead_rows": None if is_parent else dead,
        "dead_share": None if is_parent else ratio(dead, (live or 0) + dead),
        "vacuum_trigger": None if is_parent else vacuum_trigger(table, reading.can.settings),
        "changed_rows": None if is_parent else changed,
        "planner_rows": table.rows if table.rows >= 0 else None,
        "changed_share": None if is_parent or table.rows < 0 else ratio(changed, table.rows),
        "is_parent": is_parent,
        "autovacuum": _autovacuum(table, reading.can.settings),
        **{name: change.get(name) for name in _TIMES},
    }


def vacuum_trigger(table: Table, settings: Mapping[str, str]) -> float | None:
    """How many dead rows call autovacuum: threshold + scale × rows, at most the greatest threshold
    (PostgreSQL 18). The table's own parameters go first. None where a setting is not known.

    The formula is that of the documentation, "The Autovacuum Daemon".
    """
    threshold, scale = (
        _setting(table, settings, f"autovacuum_vacuum_{name}")
        for name in ("threshold", "scale_factor")
    )
    if threshold is None or scale is None:
        return None
    found = threshold + scale * max(table.rows, 0)
    most = _setting(table, settings, "autovacuum_vacuum_max_threshold")
    return found if most is None or most < 0 else min(found, most)


def _setting(table: Table, settings: Mapping[str, str], name: str) -> float | None:
    found = table.options.get(name, settings.get(name))
    return float(found) if found is not None else None


def _autovacuum(table: Table, settings: Mapping[str, str]) -> bool:
    own = table.options.get("autovacuum_enabled", "on").lower()
    return own not in _OFF and settings.get("autovacuum", "on") == "on"


_HOLDERS: Final = """
    SELECT what, name, age(xmin) AS age FROM (
        SELECT 'session' AS what,
               concat_ws(' ', pid, usename, nullif(application_name, ''), state) AS name,
               backend_xmin AS xmin
          FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND backend_type <> 'walsender'
           AND (datname = current_database() OR datname IS NULL)
        UNION ALL
        SELECT 'prepared transaction', gid, transaction FROM pg_prepared_xacts
         WHERE database = current_database()
        UNION ALL
        SELECT 'replication slot', slot_name::text, xmin FROM pg_replication_slots
        UNION ALL
        SELECT 'replication slot', slot_name::text, catalog_xmin FROM pg_replication_slots
        UNION ALL
        SELECT 'replica', concat_ws(' ', pid, application_name), backend_xmin
          FROM pg_stat_replication
    ) AS held WHERE xmin IS NOT NULL ORDER BY age(xmin) DESC LIMIT 1
"""


def oldest_holder(server: Server) -> dict[str, Any] | None:
    """Who holds the oldest snapshot, behind which no dead row can go. One statement."""
    found = server.rows(_HOLDERS)
    return found[0] if found else None


def _held(reading: Reading) -> str | None:
    holder = reading.once(oldest_holder)
    if holder is None:
        return None
    return (
        f"Rows that died in the last {holder['age']:,} transactions can't go yet: the"
        f" {holder['what']} {holder['name']} may still see them."
    )


def _tell_holder(reading: Reading) -> None:
    if held := _held(reading):
        reading.notes.append(held)
    if not reading.can.reads_all_stats:
        reading.notes.append("Snapshots of other roles' sessions are not to be seen.")


def _dead(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for each in rows:
        row: Any = each
        if (row["dead_rows"] or 0) < LEAST_DEAD or row["dead_share"] < DEAD_SHARE:
            continue
        if row["vacuum_trigger"] is not None and row["dead_rows"] <= row["vacuum_trigger"]:
            continue
        yield DEAD.finding(
            Severity.WARNING,
            f"{row['dead_rows']:,} rows of {row['table']} are dead, {row['dead_share']:.0%} of all;"
            f" autovacuum comes at {row['vacuum_trigger'] or 0:,.0f}.",
            confidence=Confidence.MEDIUM,
            place=reading.place(row["schema"], row["table"]),
            evidence=row,
            fix=Fix(f"VACUUM (ANALYZE) {quoted(row['schema'], row['table'])};", online=True),
            caveats=tuple(_why_dead(reading, row)),
        )


def _why_dead(reading: Reading, row: Any) -> Iterator[str]:
    if not row["autovacuum"]:
        yield "Autovacuum is off for this table."
    if held := _held(reading):
        yield held
    yield "Autovacuum looks once in a minute (autovacuum_naptime): it may be about to come."


def _stale(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for each in rows:
        row: Any = each
        if (row["live_rows"] or 0) < LEAST_ROWS:
            continue
        if why := _staleness(row):
            yield STALE.finding(
                Severity.WARNING,
                f"The planner's statistics of {row['table']} are amiss: {why}.",
                place=reading.place(row["schema"], row["table"]),
                evidence=row,
                fix=Fix(f"ANALYZE {quoted(row['schema'], row['table'])};", online=True),
                caveats=tuple(_why_stale(row)),
            )


def _staleness(row: Any) -> str | None:
    if row["is_parent"] and not row["last_analyze"] and row["planner_rows"] is None:
        return "it is partitioned, and nobody has analysed it as a whole"
    if row["planner_rows"] is None:
        return "it was never analysed"
    if row["changed_share"] is not None and row["changed_share"] >= CHURN_SHARE:
        return f"{row['changed_share']:.0%} of its rows have changed since"
    return None


def _why_stale(row: Any) -> Iterator[str]:
    if row["is_parent"]:
        yield "Autovacuum never analyses the parent of partitions: that has to be done by hand."
    elif not row["autovacuum"]:
        yield "Autovacuum is off for this table."
    else:
        yield "Autovacuum looks once in a minute (autovacuum_naptime): it may be about to come."


DEAD: Final = Check(
    "VA1",
    "dead-rows",
    "Dead rows that nobody clears away",
    "At least 20 % and 10,000 rows, beyond what calls autovacuum. Below that it is not late, and a"
    " share of a small table costs nothing.",
    _dead,
)
STALE: Final = Check(
    "VA2",
    "stale-planner-statistics",
    "Tables that the planner knows little of",
    "Never analysed, or 25 % of the rows changed since (Plain's figure; autovacuum comes at 10 %),"
    " from 1,000 rows on. The parent of partitions if it was never analysed itself.",
    _stale,
)

SECTION: Final = Section(
    "vacuum",
    "Vacuum and analyse",
    "Dead rows, when autovacuum comes for them, and how old the planner's statistics are.",
    (
        Column("schema", "text", Kind.LABEL, "schema", "pg_stat_user_tables.schemaname"),
        Column("table", "text", Kind.LABEL, "table", "pg_stat_user_tables.relname"),
        Column(
            "live_rows", "rows", Kind.GAUGE, "live rows", "pg_stat_user_tables.n_live_tup"
        ),
        Column("dead_rows", "rows", Kind.GAUGE, "dead rows", "pg_stat_user_tables.n_dead_tup"),
        Column("dead_share", "1", Kind.RATIO, "share of dead", "n_dead_tup / (live + dead)"),
        Column(
            "vacuum_trigger", "rows", Kind.GAUGE, "dead rows that call autovacuum",
            "min(threshold + scale × reltuples, autovacuum_vacuum_max_threshold)",
        ),
        Column(
            "changed_rows", "rows", Kind.GAUGE, "changed since it was analysed",
            "pg_stat_user_tables.n_mod_since_analyze",
        ),
        Column(
            "planner_rows", "rows", Kind.GAUGE, "what the planner believes; none: never analysed",
            "pg_class.reltuples",
        ),
        Column(
            "changed_share", "1", Kind.RATIO, "share that has changed",
            "n_mod_since_analyze / reltuples",
        ),
        Column("is_parent", "text", Kind.LABEL, "whether it has partitions", "pg_class.relkind"),
        Column(
            "autovacuum", "text", Kind.LABEL, "whether autovacuum comes",
            "autovacuum, autovacuum_enabled",
        ),
        Column("last_vacuum", "time", Kind.GAUGE, "by hand", "pg_stat_user_tables.last_vacuum"),
        Column(
            "last_autovacuum", "time", Kind.GAUGE, "by itself",
            "pg_stat_user_tables.last_autovacuum",
        ),
        Column("last_analyze", "time", Kind.GAUGE, "by hand", "pg_stat_user_tables.last_analyze"),
        Column(
            "last_autoanalyze", "time", Kind.GAUGE, "by itself",
            "pg_stat_user_tables.last_autoanalyze",
        ),
    ),
    _read,
    (DEAD, STALE),
)  # fmt: skip
