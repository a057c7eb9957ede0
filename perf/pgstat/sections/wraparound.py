"""How far the numbers of transactions have gone since the oldest row was frozen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from perf.pgstat.fixes import quoted
from perf.pgstat.results import Column, Finding, Fix, Kind, Place, Row, Severity
from perf.pgstat.section import Check, Reading, Section

WARNING: Final = 1_000_000_000
CRITICAL: Final = 1_600_000_000
_STATEMENT: Final = """
    SELECT NULL AS schema, datname AS name, 'database' AS kind, age(datfrozenxid) AS xid_age,
           mxid_age(datminmxid) AS multixact_age
      FROM pg_database
    UNION ALL
    SELECT n.nspname, t.relname, 'table',
           greatest(age(t.relfrozenxid), age(o.relfrozenxid)),
           greatest(mxid_age(t.relminmxid), mxid_age(o.relminmxid))
      FROM pg_class t
      JOIN pg_namespace n ON n.oid = t.relnamespace
      LEFT JOIN pg_class o ON o.oid = t.reltoastrelid
     WHERE t.relkind IN ('r', 'm') AND n.nspname <> 'information_schema'
"""


def _read(reading: Reading) -> Iterator[Row]:
    rows = reading.server.rows(_STATEMENT)
    rows.sort(key=lambda row: (row["kind"], -max(row["xid_age"], row["multixact_age"])))
    for row in rows:
        if row["kind"] == "database" or reading.wants(row["schema"]):
            yield row


def _old(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for each in rows:
        row: Any = each
        ages = {"xids": row["xid_age"], "multixacts": row["multixact_age"]}
        unit = max(ages, key=lambda name: ages[name])
        if ages[unit] >= WARNING:
            yield _finding(reading, row, unit, ages[unit])


def _finding(reading: Reading, row: Any, unit: str, age: int) -> Finding:
    is_table = row["kind"] == "table"
    return OLD.finding(
        Severity.CRITICAL if age >= CRITICAL else Severity.WARNING,
        f"The oldest row of the {row['kind']} {row['name']} is {age:,} {unit} old; at 2.1 billion"
        " PostgreSQL takes no more writes.",
        place=reading.place(row["schema"], row["name"])
        if is_table
        else Place(database=row["name"]),
        evidence=row,
        fix=Fix(f"VACUUM (FREEZE) {quoted(row['schema'], row['name'])};", online=True)
        if is_table
        else None,
        caveats=("An old transaction or slot keeps VACUUM from it: see the section vacuum.",),
    )


OLD: Final = Check(
    "WR1",
    "wraparound",
    "Numbers of transactions that come near to their end",
    "1.0 billion is five times where autovacuum begins to freeze (200 million), so that something"
    " holds it back. From 1.6 billion (vacuum_failsafe_age) PostgreSQL drops all else for it.",
    _old,
)

SECTION: Final = Section(
    "wraparound",
    "Wraparound",
    "How old the oldest row of each database and table is, in transactions and multixacts.",
    (
        Column("schema", "text", Kind.LABEL, "schema", "pg_namespace.nspname"),
        Column("name", "text", Kind.LABEL, "database or table", "pg_database, pg_class"),
        Column("kind", "text", Kind.LABEL, "which of both", "pg_database, pg_class"),
        Column("xid_age", "xids", Kind.GAUGE, "transactions since", "age(relfrozenxid)"),
        Column(
            "multixact_age", "xids", Kind.GAUGE, "multixacts since", "mxid_age(relminmxid)"
        ),
    ),
    _read,
    (OLD,),
)  # fmt: skip
