"""IX4: foreign keys whose rows no index finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import models as django

from perf.pgstat.fixes import create_index
from perf.pgstat.indexes.coverage import covers, severity
from perf.pgstat.relations import ForeignKey, foreign_keys, indexes_by_table, tables
from perf.pgstat.results import Finding, Row, Severity
from perf.pgstat.rollup import by_root, total
from perf.pgstat.section import Check, Reading
from perf.pgstat.views import TABLES

_ACTIONS: Final = {
    "a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT",
}  # fmt: skip
_FOLLOWS: Final = ("CASCADE", "SET NULL", "SET DEFAULT", "SET")


def _find(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    found = reading.once(indexes_by_table)
    deletes = _deletes(reading)
    for key in reading.once(foreign_keys):
        if reading.wants(key.schema) and not any(
            covers(index, key) for index in found.get(key.table_oid, ())
        ):
            yield _finding(reading, key, deletes.get(key.target_oid))


def _deletes(reading: Reading) -> dict[int, int | None]:
    """The rows deleted of each table, if that is known: the catalogue says enough without."""
    if TABLES.name not in reading.deltas.after.views:
        return {}
    return {table.oid: total(found, "n_tup_del") for table, found in by_root(reading, TABLES)}


def _finding(reading: Reading, key: ForeignKey, deletes: int | None) -> Finding:
    place = reading.place(key.schema, key.table, constraint=key.name)
    on_delete = _on_delete(reading, key)
    matters = bool(deletes) or on_delete in _FOLLOWS
    table = reading.once(tables)[key.table_oid]
    return CHECK.finding(
        severity(place, Severity.WARNING if matters else Severity.INFO),
        f"No index leads with {', '.join(key.columns)}, by which {key.table} points to"
        f" {key.target}: deleting a row there reads {key.table} whole.",
        place=place,
        evidence={
            "columns": list(key.columns),
            "target": key.target,
            "on_delete": on_delete,
            "target_deletes": deletes,
            "rows": table.rows if table.rows >= 0 else None,
        },
        fix=create_index(
            reading.models,
            key.schema,
            key.table,
            key.columns,
            is_partitioned=table.kind == "p",
        ),
        caveats=_caveats(matters, table.kind),
    )


def _on_delete(reading: Reading, key: ForeignKey) -> str:
    """What follows a deletion: by the model, which does it in Python, or else by the constraint."""
    for field in reading.models.fields(key.table, key.schema):
        remote: Any = field.remote_field
        if remote is None or field.column not in key.columns:
            continue
        if remote.model._meta.db_table.rpartition(".")[2].strip('"') == key.target:
            return _name(remote.on_delete)
    return _ACTIONS.get(key.on_delete, key.on_delete)


def _name(on_delete: Any) -> str:
    names = {
        django.CASCADE: "CASCADE",
        django.PROTECT: "PROTECT",
        django.RESTRICT: "RESTRICT",
        django.SET_NULL: "SET NULL",
        django.SET_DEFAULT: "SET DEFAULT",
        django.DO_NOTHING: "DO NOTHING",
    }
    return names.get(on_delete, "SET")


def _caveats(matters: bool, kind: str) -> Iterator[str]:
    if not matters:
        yield "Where nothing is ever deleted from the other table, none is needed."
    if kind == "p":
        yield (
            "The table is partitioned: to keep it writable, build an index on each partition"
            " concurrently first, one ON ONLY the table, and attach them."
        )


CHECK: Final = Check(
    "IX4",
    "foreign-key-without-index",
    "Foreign keys that no index covers",
    "Any: PostgreSQL indexes the side that is pointed to, not the one that points. An index"
    " covers a key if its first columns are the key's in whatever order, and it has no condition"
    " but IS NOT NULL of these. A warning if the other side is deleted from: on_delete cascades or"
    " sets, or deletions were counted.",
    _find,
)
