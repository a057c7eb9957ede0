"""IX3: indexes that no query uses because they were not finished, and unproven constraints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from perf.pgstat.fixes import drop_index, is_declared, quoted
from perf.pgstat.indexes.coverage import serves, severity
from perf.pgstat.relations import Index, indexes
from perf.pgstat.results import Confidence, Finding, Fix, Row, Severity
from perf.pgstat.section import Check, Reading
from perf.pgstat.server import Server
from perf.pgstat.sizes import without_waiting

_LEFTOVERS: Final = ("_ccnew", "_ccold")
_WHAT: Final = {
    "drop": "it can go",
    "recreate": "it is to be built again",
    "uncertain": "whether somebody needs it is not known here",
}


def _find(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    found = reading.once(indexes)
    for index in found:
        if index.is_valid or index.is_being_built or index.parent:
            continue
        if reading.wants(index.schema):
            yield _invalid(reading, index, found)
    for row in reading.once(_not_valid):
        if reading.wants(row["schema"]):
            yield _unproven(reading, row)


def _invalid(reading: Reading, index: Index, found: Sequence[Index]) -> Finding:
    action = _action(reading, index, found)
    place = reading.place(index.schema, index.table, index.name)
    is_rule = index.is_unique and action != "drop"
    return CHECK.finding(
        Severity.CRITICAL if is_rule else severity(place, Severity.WARNING),
        f"{index.name} is invalid: each write keeps it, no query reads it; {_WHAT[action]}.",
        confidence=Confidence.MEDIUM if action == "uncertain" else Confidence.HIGH,
        place=place,
        evidence={
            "action": action,
            "definition": index.definition,
            "is_ready": index.is_ready,
            "size_bytes": index.size_bytes,
        },
        fix=_fix(reading, index, action),
        caveats=() if action == "drop" else _caveats(index),
    )


def _action(reading: Reading, index: Index, found: Sequence[Index]) -> str:
    """ "drop", "recreate" or "uncertain"."""
    if any(mark in index.name for mark in _LEFTOVERS):
        return "drop"  # a REINDEX CONCURRENTLY that failed; the old one is in its place
    if any(serves(each, index) for each in found):
        return "drop"
    if index.is_partitioned:
        return "uncertain"
    if index.is_unique or index.constraint or is_declared(reading.models, index):
        return "recreate"
    return "uncertain"


def _fix(reading: Reading, index: Index, action: str) -> Fix | None:
    if index.is_partitioned:
        return None
    drop = drop_index(reading.models, index)
    if action == "drop":
        return drop
    again = f"REINDEX INDEX CONCURRENTLY {quoted(index.schema, index.name)};"
    if action == "uncertain":
        again += f"  -- or, if nobody needs it: {drop.sql}"
    return Fix(again, drop.sql, "The model stays as it is: run the SQL.", online=True)


def _caveats(index: Index) -> tuple[str, ...]:
    if index.is_partitioned:
        return ("It is valid once each partition has an index that is attached to it.",)
    if index.is_unique:
        return ("Rows that break the rule may be there: look for duplicates before it is built.",)
    return ()


def _not_valid(server: Server) -> list[dict[str, Any]]:
    """Constraints that nobody has proven for the rows there were. One statement, two if a lock was
    taken amid the first."""
    is_enforced = "AND c.conenforced" if server.has("pg_constraint", "conenforced") else ""
    return without_waiting(server, _NOT_VALID + is_enforced + " ORDER BY 1, 2, 3")


_NOT_VALID: Final = """
    WITH {locked}
    SELECT n.nspname AS schema, t.relname AS table, c.conname AS name,
           CASE WHEN NOT {everything} AND t.oid NOT IN (SELECT relation FROM locked)
                THEN pg_get_constraintdef(c.oid) END AS definition
      FROM pg_constraint c
      JOIN pg_class t ON t.oid = c.conrelid
      JOIN pg_namespace n ON n.oid = t.relnamespace
     WHERE NOT c.convalidated AND c.conparentid = 0 AND c.conislocal
       AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def _unproven(reading: Reading, row: dict[str, Any]) -> Finding:
    place = reading.place(row["schema"], row["table"], constraint=row["name"])
    model = reading.models.model(row["table"], row["schema"])
    operation = f'ValidateConstraint("{model._meta.model_name}", "{row["name"]}")' if model else ""
    return CHECK.finding(
        severity(place, Severity.WARNING),
        f"The constraint {row['name']} is NOT VALID: rows from before it were never looked at, and"
        " the planner does not rely on it.",
        place=place,
        evidence={"action": "validate", "definition": row["definition"]},
        fix=Fix(
            f"ALTER TABLE {quoted(row['schema'], row['table'])}"
            f" VALIDATE CONSTRAINT {quoted(row['name'])};",
            None,
            "from django.contrib.postgres.operations import ValidateConstraint\n" + operation
            if model
            else None,
            online=True,
        ),
        caveats=("A row that breaks it makes this fail, which changes nothing.",),
    )


CHECK: Final = Check(
    "IX3",
    "invalid-index",
    "Indexes that were not finished, and constraints that were not proven",
    "Any that is not being built just now; critical if it was to be unique, for that rule does not"
    " hold for all rows. What to do follows postgresai's tree: what another one serves, or a failed"
    " REINDEX has left, can go; a unique one, or one of a model, is built again.",
    _find,
)
