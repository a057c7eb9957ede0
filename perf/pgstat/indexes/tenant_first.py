"""IX5: indexes of tenants' tables that do not begin with the tenant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from perf.pgstat.fixes import drop_index, index_name, quoted
from perf.pgstat.indexes.coverage import is_only_cover, severity
from perf.pgstat.relations import (
    ForeignKey,
    Index,
    Table,
    foreign_keys,
    indexes,
    indexes_by_table,
    tables,
)
from perf.pgstat.results import Finding, Fix, Row, Severity
from perf.pgstat.section import Check, Reading, Unreadable

DEFAULT_COLUMN: Final = "tenant_id"
# pg_index.indoption: ascending, and DESC, which has NULLS FIRST with it.
_ORDERS: Final = {0: "", 3: "-"}

# Up to the columns: there may be brackets in the names before.
_BEGIN: Final = re.compile(r'^(?:"(?:[^"]|"")*"|[^"(])*\(')


def tenant_column() -> str:
    """The column that names a row's tenant: the setting `PERF_TENANT_COLUMN`."""
    return str(getattr(settings, "PERF_TENANT_COLUMN", DEFAULT_COLUMN))


def global_indexes() -> Mapping[str, str]:
    """The setting `PERF_TENANT_GLOBAL`: names of indexes across tenants, each with its reason.

    Raises `ImproperlyConfigured` for one without.
    """
    found: Mapping[str, str] = getattr(settings, "PERF_TENANT_GLOBAL", {})
    for name, reason in found.items():
        if not reason:
            raise ImproperlyConfigured(f"PERF_TENANT_GLOBAL: {name} has no reason.")
    return found


def _find(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    column, allowed = tenant_column(), global_indexes()
    known = reading.once(tables)
    if not any(column in table.columns for table in known.values()):
        raise Unreadable(
            f"No table has the column {column}.", "Name that of your tenants: PERF_TENANT_COLUMN."
        )
    wanted = {row["oid"] for row in rows}
    for index in reading.once(indexes):
        table = known.get(index.table_oid)
        if table is None or column not in table.columns or index.oid not in wanted:
            continue
        if index.columns[0] == column or index.name in allowed or index.constraint in allowed:
            continue
        if not _is_global(reading, index, table):
            yield _finding(reading, index, column)


def _is_global(reading: Reading, index: Index, table: Table) -> bool:
    """Whether it is right without the tenant: by its kind, or because its key is one in all."""
    if index.is_primary or index.method != "btree" or index.is_exclusion or index.parent:
        return True
    if index.is_unique and len(index.keys) == 1:
        return _is_one_in_all(reading, index, table)
    # Deletions look for the rows of such a key by its columns alone.
    return is_only_cover(reading, index)


def _is_one_in_all(reading: Reading, index: Index, table: Table) -> bool:
    column = index.columns[0]
    if column is None:
        return False
    return table.columns.get(column) == "uuid" or any(
        _points_by(key, table, column) for key in reading.once(foreign_keys)
    )


def _points_by(key: ForeignKey, table: Table, column: str) -> bool:
    """A one-to-one: what it points to is one in all tenants already."""
    return key.table_oid == table.oid and key.columns == (column,)


def _finding(reading: Reading, index: Index, column: str) -> Finding:
    place = reading.place(index.schema, index.table, index.name)
    what = "is unique across tenants" if index.is_unique else "mixes the rows of all tenants"
    return CHECK.finding(
        severity(place, Severity.WARNING),
        f"{index.name} does not begin with {column}: it {what}.",
        place=place,
        evidence={"definition": index.definition, "columns": [k.definition for k in index.keys]},
        fix=None if index.is_unique else _fix(reading, index, column),
        caveats=(
            "What is meant to hold across tenants stands in PERF_TENANT_GLOBAL, with its reason.",
        ),
    )


def _fix(reading: Reading, index: Index, column: str) -> Fix | None:
    plain = [each for each in index.columns if each and each != column]
    if len(plain) != len([each for each in index.columns if each != column]):
        return None  # an expression, which the model has to say
    others = reading.once(indexes_by_table)[index.table_oid]  # there may be thousands of tables
    if any(_begins(each, index, (column, *plain)) for each in others):
        return drop_index(reading.models, index)
    if index.definition is None:
        return None  # its table is locked
    name = index_name(index.table, [column, *plain])
    begin = len(_BEGIN.findall(index.definition)[0])
    return Fix(
        sql=f"CREATE INDEX CONCURRENTLY {quoted(name)} ON {quoted(index.schema, index.table)}"
        f" USING {index.method} ({quoted(column)}, {index.definition[begin:]};\n"
        f"DROP INDEX CONCURRENTLY {quoted(index.schema, index.name)};",
        undo_sql=f"{index.definition.replace(' INDEX ', ' INDEX CONCURRENTLY ', 1)};\n"
        f"DROP INDEX CONCURRENTLY {quoted(index.schema, name)};",
        django=_words(reading, index, [column, *plain], name),
        online=True,
    )


def _begins(other: Index, index: Index, columns: tuple[str, ...]) -> bool:
    """Whether the other one is what this one should be."""
    return (
        other.works
        and (other.method, other.predicate) == (index.method, index.predicate)
        and other.columns[: len(columns)] == columns
    )


def _words(reading: Reading, index: Index, columns: Sequence[str], name: str) -> str | None:
    model = reading.models.model(index.table, index.schema)
    if model is None:
        return None
    if index.predicate or index.included or any(key.option not in _ORDERS for key in index.keys):
        return None  # Meta has words for it, but they are not those of the catalogue
    names = {each.column: each.name for each in reading.models.fields(index.table, index.schema)}
    orders = {key.column: _ORDERS[key.option] for key in index.keys}
    fields = ", ".join(f'"{orders.get(each, "")}{names.get(each, each)}"' for each in columns)
    return (
        f'# {model._meta.label}.Meta.indexes: instead of "{index.name}"\n'
        f'models.Index(fields=[{fields}], name="{name}"),\n'
        "# AddIndexConcurrently and RemoveIndexConcurrently, in a migration with atomic = False"
    )


CHECK: Final = Check(
    "IX5",
    "tenant-first",
    "Indexes of tenants' tables that do not begin with the tenant",
    "Any on a table with the column PERF_TENANT_COLUMN. Each query names its tenant, so that"
    " another first column reads the rows of all. Right without it are primary keys, other kinds"
    " than B-tree, the only index of a foreign key, a unique uuid or one-to-one, and what"
    " PERF_TENANT_GLOBAL names.",
    _find,
)
