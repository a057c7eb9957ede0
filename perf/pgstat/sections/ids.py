"""How much is left of the numbers that ids are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from perf.pgstat.fixes import quoted
from perf.pgstat.relations import foreign_keys, tables
from perf.pgstat.results import Column, Finding, Fix, Kind, Row, Severity
from perf.pgstat.section import Check, Reading, Section, Unreadable, ratio
from perf.pgstat.server import Server

_LEVELS: Final = (
    (0.90, Severity.CRITICAL),
    (0.75, Severity.WARNING),
    (0.50, Severity.INFO),
)
_MAXIMUM: Final = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
# A column owns a sequence ("a", "i"), or its default only takes from it ("n", through the default).
_STATEMENT: Final = """
    WITH taken AS (
        SELECT objid AS sequence, refobjid AS relation, refobjsubid AS number
          FROM pg_depend
         WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
           AND deptype IN ('a', 'i') AND refobjsubid > 0
        UNION
        SELECT d.refobjid, a.adrelid, a.adnum
          FROM pg_depend d JOIN pg_attrdef a ON a.oid = d.objid
         WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
           AND d.deptype = 'n'
    )
    SELECT q.oid AS sequence_oid, n.nspname AS schema, q.relname AS sequence, t.oid AS table_oid,
           t.relname AS table, m.nspname AS table_schema, c.attname AS column,
           format_type(c.atttypid, NULL) AS column_type,
           s.seqmax AS sequence_max, format_type(s.seqtypid, NULL) AS sequence_type,
           has_sequence_privilege(q.oid, 'USAGE, SELECT') AS is_readable,
           s.seqincrement > 0 AS is_ascending,
           EXISTS (SELECT FROM pg_locks WHERE relation = q.oid AND mode = 'AccessExclusiveLock'
                    AND database = (SELECT oid FROM pg_database
                                     WHERE datname = current_database())) AS is_locked
      FROM pg_sequence s
      JOIN pg_class q ON q.oid = s.seqrelid
      JOIN pg_namespace n ON n.oid = q.relnamespace
      LEFT JOIN taken ON taken.sequence = q.oid
      LEFT JOIN pg_class t ON t.oid = taken.relation
      LEFT JOIN pg_namespace m ON m.oid = t.relnamespace
      LEFT JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum = taken.number
     WHERE n.nspname NOT LIKE 'pg\\_temp\\_%' AND NOT q.relispartition
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """What must hold an id: a column, or the sequence itself."""

    name: str
    most: int
    alter: str  # the statement that gives it another type, up to that
    type: str

    def altered(self, kind: str, most: int) -> str:
        """The statement that gives it this type, and room up to `most`."""
        room = f" MAXVALUE {most}" if self.is_sequence else ""
        return f"{self.alter} {kind}{room};"

    @property
    def is_sequence(self) -> bool:
        return self.name.startswith("sequence ")


def sequences(server: Server) -> list[dict[str, Any]]:
    """All sequences of users, with the columns that take from them. One statement."""
    return server.rows(_STATEMENT)


def _read(reading: Reading) -> Iterator[Row]:
    found = [row for row in reading.once(sequences) if reading.wants(row["schema"])]
    asked = [r["sequence_oid"] for r in found if r["is_readable"] and not r["is_locked"]]
    last = _last_values(reading, asked)
    rows = [_row(reading, each, last.get(each["sequence_oid"])) for each in found]
    yield from sorted(rows, key=lambda row: -(row["used_share"] or 0))  # type: ignore[operator]


def _last_values(reading: Reading, oids: Sequence[int]) -> dict[int, int | None]:
    """None for a sequence that has given no number yet. One statement, which opens each."""
    return {
        row["oid"]: row["value"]
        for row in reading.server.rows(
            "SELECT oid, pg_sequence_last_value(oid) AS value FROM unnest(%(oids)s::oid[]) AS oid",
            {"oids": oids},
        )
    }


def _row(reading: Reading, each: dict[str, Any], value: int | None) -> Row:
    narrowest = min(_holders(reading, each), key=lambda holder: holder.most)
    return {
        "schema": each["schema"],
        "table": each["table"],
        "column": each["column"],
        "column_type": each["column_type"],
        "sequence": each["sequence"],
        "sequence_type": each["sequence_type"],
        "last_value": value,
        "limit": narrowest.most,
        "limited_by": narrowest.name,
        "used_share": ratio(value, narrowest.most) if each["is_ascending"] else None,
        "state": _state(each, value),
    }


def _state(each: dict[str, Any], value: int | None) -> str:
    if not each["is_readable"]:
        return "hidden"
    if each["is_locked"]:
        return "locked"
    if value is None:
        return "unused"
    return "used" if each["is_ascending"] else "descending"


def _holders(reading: Reading, each: dict[str, Any]) -> Iterator[Holder]:
    """The column, the columns that point to it, and the sequence."""
    if each["column_type"] in _MAXIMUM:
        yield _column(each["table_schema"], each["table"], each["column"], each["column_type"])
    known = reading.once(tables)
    for key in reading.once(foreign_keys):
        if key.target_oid == each["table_oid"] and each["column"] in key.target_columns:
            column = key.columns[key.target_columns.index(each["column"])]
            kind = known[key.table_oid].columns[column]
            if kind in _MAXIMUM:
                yield _column(key.schema, key.table, column, kind)
    yield Holder(
        f"sequence {each['sequence']}",
        each["sequence_max"],
        f"ALTER SEQUENCE {quoted(each['schema'], each['sequence'])} AS",
        each["sequence_type"],
    )


def _column(schema: str, table: str, column: str, kind: str) -> Holder:
    alter = f"ALTER TABLE {quoted(schema, table)} ALTER COLUMN {quoted(column)} TYPE"
    return Holder(f"{table}.{column}", _MAXIMUM[kind], alter, kind)


def _full(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    hidden = []
    for each in rows:
        row: Any = each
        if row["state"] in ("hidden", "locked"):
            hidden.append(row["sequence"])
        for share, severity in _LEVELS:
            if row["used_share"] is not None and row["used_share"] >= share:
                yield _finding(reading, row, severity)
                break
    if hidden:
        raise Unreadable(
            f"The last value of {len(hidden):,} sequences is not to be seen:"
            f" {', '.join(sorted(hidden))}.",
            f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA … TO {reading.can.role_in_sql};",
        )


def _finding(reading: Reading, row: Any, severity: Severity) -> Finding:
    return FULL.finding(
        severity,
        f"The ids of {row['table'] or row['sequence']} have used {row['used_share']:.1%} of what"
        f" {row['limited_by']} can hold.",
        place=reading.place(row["schema"], row["table"] or row["sequence"], column=row["column"]),
        evidence=row,
        fix=_fix(reading, row),
        caveats=("An insert fails once it is full, and not before.",),
    )


def _fix(reading: Reading, row: Any) -> Fix:
    """All that is narrower than bigint, at once: the next one would be full soon after."""
    each = next(
        each
        for each in reading.once(sequences)
        if (each["schema"], each["sequence"]) == (row["schema"], row["sequence"])
    )
    narrow = [holder for holder in _holders(reading, each) if holder.most < _MAXIMUM["bigint"]]
    model = reading.models.model(row["table"], row["schema"])
    return Fix(
        "\n".join(holder.altered("bigint", _MAXIMUM["bigint"]) for holder in narrow),
        "\n".join(holder.altered(holder.type, holder.most) for holder in narrow),
        f"# {model._meta.label}: BigAutoField, and what makemigrations writes" if model else None,
        online=all(holder.is_sequence for holder in narrow),
    )


FULL: Final = Check(
    "SQ1",
    "full-ids",
    "Ids that come near to the end of their numbers",
    "Half told, 75 % a warning, 90 % critical: to change a column's type writes the table anew, so"
    " that one needs time. Counted is what the narrowest of all can hold: the column, each column"
    " that points to it, the sequence. A sequence alone says nothing: a bigint one fills an integer"
    " column.",
    _full,
)

SECTION: Final = Section(
    "ids",
    "Ids",
    "How much of the numbers for ids is used.",
    (
        Column("schema", "text", Kind.LABEL, "schema", "pg_namespace.nspname"),
        Column("table", "text", Kind.LABEL, "table", "pg_class.relname"),
        Column("column", "text", Kind.LABEL, "column", "pg_attribute.attname"),
        Column("column_type", "text", Kind.LABEL, "its type", "pg_attribute.atttypid"),
        Column("sequence", "text", Kind.LABEL, "sequence", "pg_class.relname"),
        Column("sequence_type", "text", Kind.LABEL, "its type", "pg_sequence.seqtypid"),
        Column(
            "last_value", "count", Kind.GAUGE, "the last number given; none if there was none, or"
            " it is not to be seen: see state", "pg_sequence_last_value",
        ),
        Column("limit", "count", Kind.GAUGE, "the last that fits", "the least of all limits"),
        Column("limited_by", "text", Kind.LABEL, "what holds least", "pg_attribute, pg_sequence"),
        Column("used_share", "1", Kind.RATIO, "share that is used", "last_value / limit"),
        Column(
            "state", "text", Kind.LABEL, "used, unused, hidden, locked or descending",
            "has_sequence_privilege, pg_locks",
        ),
    ),
    _read,
    (FULL,),
)  # fmt: skip
