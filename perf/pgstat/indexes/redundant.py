"""IX2: indexes whose work another one does as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from perf.pgstat.fixes import drop_index
from perf.pgstat.indexes.coverage import serves, severity
from perf.pgstat.relations import Index, indexes_by_table
from perf.pgstat.results import Finding, Row, Severity
from perf.pgstat.section import Check, Reading


def _find(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    wanted = {row["oid"] for row in rows}
    for of_table in reading.once(indexes_by_table).values():
        for index, other in redundant(of_table):
            if index.oid in wanted:
                yield _finding(reading, index, other)


def redundant(found: Sequence[Index]) -> Iterator[tuple[Index, Index]]:
    """Of one table each index that can go, with the one that stays and serves it."""
    servers = {index.oid: _servers(index, found) for index in found if _may_go(index)}
    for index in found:
        # Of what serves it some may go itself, but then something else serves both.
        stays = [each for each in servers.get(index.oid, ()) if not servers.get(each.oid)]
        if stays:
            yield index, min(stays, key=lambda each: (len(each.keys), len(each.included)))


def _servers(index: Index, found: Sequence[Index]) -> list[Index]:
    return [each for each in found if serves(each, index) and _stays(each, index)]


def _may_go(index: Index) -> bool:
    return index.works and not (
        index.is_primary
        or index.is_exclusion
        or index.is_replica_identity
        or index.is_referenced
        or index.parent
    )


def _stays(other: Index, index: Index) -> bool:
    """Of two that serve each other one stays: what cannot go, a constraint's, the older one."""
    if not serves(index, other) or not _may_go(other):
        return True
    return _rank(other) < _rank(index)


def _rank(index: Index) -> tuple[bool, bool, int]:
    return index.constraint is None, not index.is_unique, index.oid


def _finding(reading: Reading, index: Index, other: Index) -> Finding:
    place = reading.place(index.schema, index.table, index.name)
    is_equal = index.keys == other.keys
    model = reading.models.model(index.table, index.schema)
    by_django = bool(model and model._meta.auto_created)
    return CHECK.finding(
        Severity.INFO if by_django else severity(place, Severity.WARNING),
        f"{index.name} {'is the same as' if is_equal else 'is the beginning of'} {other.name}.",
        place=place,
        evidence={
            "size_bytes": index.size_bytes,
            "definition": index.definition,
            "served_by": other.name,
            "served_by_definition": other.definition,
        },
        fix=drop_index(reading.models, index),
        caveats=tuple(_caveats(is_equal, by_django)),
    )


def _caveats(is_equal: bool, by_django: bool) -> Iterator[str]:
    if not is_equal:
        yield "The longer one is larger, so that a scan of it reads somewhat more."
    if by_django:
        yield "Django makes both for each ManyToManyField that has no model of its own."


CHECK: Final = Check(
    "IX2",
    "redundant-index",
    "Indexes that another one serves",
    "Any: it costs each write and serves no read. Same table, access method and condition; keys"
    " that begin the other's, with operator class, collation and order; included columns that the"
    " other has. A unique one only if the other forbids the same. Django's _like indexes have"
    " another operator class.",
    _find,
)
