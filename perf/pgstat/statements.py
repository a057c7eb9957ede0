"""What pg_stat_statements counted, with the rows that are one statement put together.

One shape of a statement may have many rows: another for each role, before PostgreSQL 18 for each
length of an IN list, for each of Django's cursors, for each savepoint. Which rows are of one shape
is told on the server, so that no text travels for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from psycopg import sql

from perf.pg.redaction import redacted
from perf.pgstat.deltas import Change, Deltas, Flag
from perf.pgstat.server import MARK, Server
from perf.pgstat.views import STATEMENT_COUNTS

TEXT_LENGTH: Final = 2_000
_QUERIES: Final = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE"}
_WORD: Final = re.compile(r"\(*\s*([A-Za-z]+)")
_CURSOR: Final = "_django_curs_"
_LIST: Final = re.compile(r"\bIN \(\$\d+(?:,\s*\$\d+)*\)", re.IGNORECASE)
_HEAD_LENGTH: Final = 80

_SHAPES: Final = r"""
    WITH known AS (
        SELECT queryid, min(query) AS query FROM {source}
         WHERE queryid IS NOT NULL
           AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
         GROUP BY queryid
    )
    SELECT queryid,
           left(regexp_replace(query, '^(\s|/\*([^*]|\*+[^*/])*\*+/|--[^\n]*\n)+', ''), {length})
               AS head,
           query LIKE {mark} AS is_own,
           md5(regexp_replace(regexp_replace(query, '\$\d+', '?', 'g'),
               '\mIN \(\?(,\s*\?| /\*, \.\.\. \*/)*\)', 'IN (?)', 'gi')) AS shape
      FROM known
"""
_TEXTS: Final = """
    SELECT queryid, left(min(query), {length}) AS query FROM {source}
     WHERE queryid = ANY(%(ids)s)
       AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
     GROUP BY queryid
"""


class Sort(StrEnum):
    """What a statement is."""

    QUERY = "query"
    CURSOR = "cursor"  # DECLARE, FETCH or CLOSE of Django's `.iterator()`
    UTILITY = "utility"  # of each command one: their texts may hold values
    FORGOTTEN = "forgotten"  # its text is not known any more
    OWN = "pgstat"  # of reports and snapshots
    HIDDEN = "hidden"  # of other roles, of which this one may see no text


@dataclass(frozen=True, slots=True)
class Shape:
    """What rows have in common that are one statement."""

    sort: Sort
    key: str


OWN: Final = Shape(Sort.OWN, "What reports and snapshots have asked.")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement over a window: the sums of its rows' counters."""

    shape: Shape
    ids: tuple[int, ...]  # the one that took most time first
    rows: int
    counts: dict[str, Any]
    flags: frozenset[Flag]

    def sum(self, *names: str) -> Any:
        """The sum of these counters, as far as there are such here. None without any."""
        return _sum(self.counts.get(name) for name in names)

    @property
    def time_ms(self) -> float | None:
        """Time in execution, whichever name this version of the extension has for it."""
        return self.sum("total_exec_time", "total_time")  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Statements:
    """All statements of a window, and how many rows were forgotten in it."""

    found: list[Statement]
    forgotten: int


def shapes(server: Server) -> dict[int, Shape]:
    """The shape of each statement that has a text now. One statement, which reads all texts."""
    statement = sql.SQL(_SHAPES).format(
        source=sql.SQL("{}(true)").format(server.statements()),
        length=sql.Literal(_HEAD_LENGTH),
        mark=sql.Literal(f"%{MARK}%"),
    )
    return {
        row["queryid"]: OWN if row["is_own"] else _shape(row["head"], row["shape"])
        for row in server.rows(statement)
    }


def _shape(head: str | None, shape: str | None) -> Shape:
    word = _WORD.match(head or "")
    if word is None or head is None or shape is None:
        return Shape(Sort.FORGOTTEN, "")
    command = word[1].upper()
    if command in _QUERIES:
        return Shape(Sort.QUERY, shape)
    if _CURSOR in head:
        return Shape(Sort.CURSOR, f"{command} {_CURSOR}…")
    return Shape(Sort.UTILITY, f"{command} …")


def over(deltas: Deltas, known: Mapping[int, Shape]) -> Statements:
    """The statements of a window, those that were called in it. Asks nothing of the server."""
    changes = [each for each in deltas.changes(STATEMENT_COUNTS) if _counts(each.values)]
    gone = [each for each in changes if each.flag is Flag.EVICTED]
    groups: dict[Shape, list[Change]] = {}
    for each in changes:
        if each.flag is not Flag.EVICTED and each["calls"]:
            groups.setdefault(_found(each["queryid"], known), []).append(each)
    found = [_statement(shape, each) for shape, each in groups.items()]
    if hidden := _hidden(deltas):
        found.append(hidden)
    return Statements(found, len(gone))


def _counts(row: Mapping[str, Any]) -> bool:
    """Whether a row is a statement that somebody sent: what a function asked is counted there."""
    return row["queryid"] is not None and row.get("toplevel") is not False


def _found(queryid: int, known: Mapping[int, Shape]) -> Shape:
    shape = known.get(queryid)
    if shape is None or shape.sort is Sort.FORGOTTEN:
        return Shape(Sort.FORGOTTEN, str(queryid))
    return shape


def _statement(shape: Shape, changes: Sequence[Change]) -> Statement:
    counts = _sums([each.values for each in changes])
    by_time = sorted(
        changes, key=lambda each: -(each.get("total_exec_time") or each.get("total_time") or 0)
    )
    ids = dict.fromkeys(each["queryid"] for each in by_time)
    flags = frozenset(each.flag for each in changes)
    return Statement(shape, tuple(ids), len(changes), counts, flags)


def _hidden(deltas: Deltas) -> Statement | None:
    """The statements of other roles: their counters are shown to all, but no id to tell them by."""
    after = _unnamed(deltas, "after")
    if not after:
        return None
    counts, before = _sums(after), _sums(_unnamed(deltas, "before"))
    gained = {
        name: value - (before.get(name) or 0) for name, value in counts.items() if value is not None
    }
    if any(value < 0 for value in gained.values()):
        gained = {}  # some were forgotten, and nobody knows which
    return Statement(Shape(Sort.HIDDEN, "hidden"), (), len(after), gained, frozenset())


def _unnamed(deltas: Deltas, which: str) -> list[dict[str, Any]]:
    sample = getattr(deltas, which)
    found = sample.views.get(STATEMENT_COUNTS.name) if sample else None
    rows: list[Any] = list(found.rows()) if found else []
    return [row for row in rows if row["queryid"] is None and row.get("toplevel") is not False]


def _sums(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not rows:
        return {}
    _, counters = STATEMENT_COUNTS.kinds(list(rows[0]))
    return {name: _sum(row.get(name) for row in rows) for name in counters}


def _sum(values: Iterable[Any]) -> Any:
    known = [each for each in values if isinstance(each, int | float)]
    return sum(known) if known else None


def texts(server: Server, ids: Sequence[int]) -> dict[int, str]:
    """The texts of these statements, without values. One statement, none without ids."""
    if not ids:
        return {}
    statement = sql.SQL(_TEXTS).format(
        source=sql.SQL("{}(true)").format(server.statements()), length=sql.Literal(TEXT_LENGTH)
    )
    rows = server.rows(statement, {"ids": list(ids)})
    return {row["queryid"]: shown(row["query"]) for row in rows if row["query"]}


def shown(text: str) -> str:
    """A text as a report shows it: an IN list of any length as PostgreSQL 18 writes it.

    >>> shown("SELECT 1 FROM t WHERE id IN ($1, $2)")
    'SELECT ? FROM t WHERE id IN ($1 /*, ... */)'
    """
    # Once in a while PostgreSQL keeps a text with its values.
    return _LIST.sub("IN ($1 /*, ... */)", redacted(text, TEXT_LENGTH) or "")
