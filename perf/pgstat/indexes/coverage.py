"""Which index serves what: another index, or a foreign key."""

from __future__ import annotations

import re
from collections.abc import Iterable

from perf.pgstat.relations import ForeignKey, Index, foreign_keys, indexes_by_table
from perf.pgstat.results import Place, Severity
from perf.pgstat.section import Reading

_NOT_NULL = re.compile(r'\(?"?([^"()]+?)"? IS NOT NULL\)?')


def serves(other: Index, index: Index) -> bool:
    """Whether all that `index` is for can be had of `other`, on the same table.

    The keys of one must begin the other's, each with its operator class, collation and order; the
    condition and the access method must be the same; what is included must be among the columns of
    the other. Beyond B-tree only equal keys count, for an order of keys means something else there.
    """
    if index.oid == other.oid or index.table_oid != other.table_oid:
        return False
    if not other.works or (index.method, index.predicate) != (other.method, other.predicate):
        return False
    count = len(index.keys)
    if index.keys != other.keys[:count]:
        return False
    if index.method != "btree" and (len(other.keys) != count or index.storage != other.storage):
        return False
    if not {*index.included} <= {*other.included, *filter(None, other.columns)}:
        return False
    return not index.is_unique or _is_same_rule(other, index)


def _is_same_rule(other: Index, index: Index) -> bool:
    """Whether both forbid the same rows, at the same time."""
    return (
        other.is_unique
        and len(other.keys) == len(index.keys)
        and other.nulls_equal == index.nulls_equal
        and other.is_immediate == index.is_immediate
        and (other.constraint is not None or index.constraint is None)
    )


def covers(index: Index, key: ForeignKey) -> bool:
    """Whether an index finds the rows of a foreign key: its columns lead, in whatever order.

    It has no condition, or one that only leaves out rows that point nowhere.
    """
    count = len(key.columns)
    if index.table_oid != key.table_oid or not index.works or index.method not in _BY_EQUALITY:
        return False
    if {*index.columns[:count]} != {*key.columns}:
        return False
    if index.definition is None:
        return True  # its table is locked: better none than a wrong finding
    return index.predicate is None or {*_not_null(index.predicate)} <= {*key.columns}


_BY_EQUALITY = ("btree", "hash")


def _not_null(predicate: str) -> Iterable[str]:
    """The columns of a condition that consists of IS NOT NULL; something else of another one."""
    for part in predicate.strip("()").split(") AND ("):
        found = _NOT_NULL.fullmatch(part)
        yield found[1] if found else f"({part})"


def is_only_cover(reading: Reading, index: Index) -> bool:
    """Whether there is a foreign key that no other index covers."""
    others = [
        each
        for each in reading.once(indexes_by_table).get(index.table_oid, ())
        if each.oid != index.oid
    ]
    return any(
        covers(index, key) and not any(covers(each, key) for each in others)
        for key in reading.once(foreign_keys)
    )


def severity(place: Place, usual: Severity) -> Severity:
    """A package's table is not the project's to change: about that one hears, and no more."""
    return Severity.INFO if place.owner == "package" else usual
