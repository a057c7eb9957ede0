"""No statement reads or changes rows of more tenants than one.

A statement on a tenant table is kept to a tenant by itself, if its text compares the table's tenant
column with a value, or with a column of another table that is kept to one; or by PostgreSQL, if
its plan reads the table under a condition on that column, as row-level security puts it there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from perf.monitor.callsites import call_site, shown
from perf.monitor.shapes import folded
from perf.pg.plans import EXPLAINABLE, Node, Plan, first_word, parse_plan

_SUBSELECT: Final = "_subselect_"  # stands for one in the statement around it
_BEGINS: Final = re.compile(r"\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_ARMS: Final = re.compile(r"\b(?:UNION|EXCEPT|INTERSECT)\b(?:\s+ALL\b)?", re.IGNORECASE)
_ITEM: Final = r"(?:ONLY\s+)?[\w.\"]+(?:\s+(?:AS\s+)?[\w\"]+)?"
_CLAUSE: Final = re.compile(
    rf"\b(?:FROM|JOIN|USING|UPDATE)\s+(?:LATERAL\s+)?({_ITEM}(?:\s*,\s*{_ITEM})*)", re.IGNORECASE
)
_TABLE: Final = re.compile(r"(?:ONLY\s+)?(?:\w+\.)?(\w+)(?:\s+(?:AS\s+)?(\w+))?", re.IGNORECASE)
_NO_ALIAS: Final = re.compile(
    "where|on|set|join|left|right|inner|full|cross|natural|order|group|limit|offset|union|for|using"
    "|returning|having|window|values|select|except|intersect|tablesample|as|fetch",
    re.IGNORECASE,
)
_SET: Final = re.compile(r"\bSET\b.*?(?=\bWHERE\b|\bFROM\b|$)", re.IGNORECASE)
_COLUMN: Final = r'(?:"?(\w+)"?\.)?"?(\w+)"?'
_EQUAL: Final = re.compile(rf"(?<![\w.\"]){_COLUMN}\s*=\s*\(?{_COLUMN}(?![\w.(\"])")
_VALUE: Final = rf"(?:\(*\?|(?:ANY|ALL)?\s*{_SUBSELECT}|\w+\s*[(\[])"
_KEPT: Final = re.compile(rf"{_COLUMN}(?:, [^()]+\))?\s*(?:=|\bIN\b)\s*{_VALUE}", re.IGNORECASE)
_VALUE_FIRST: Final = re.compile(rf"\?(?:::\w+)?\s*=\s*{_COLUMN}")


@contextmanager
def assert_no_tenant_free_statement(
    column: str = "tenant_id",
    *,
    tables: Iterable[str],
    using: str = DEFAULT_DB_ALIAS,
    by_policy: bool = True,
) -> Iterator[None]:
    """Fail if a statement of the block reads or changes one of `tables` without a tenant.

    With `by_policy` false row-level security does not count: each statement must say it itself.
    Else one that does not is planned once more before it runs. New rows are not looked at: their
    column may not be null. Raises `AssertionError` with each such statement and its place.
    """
    watched, found = frozenset(tables), dict[str, None]()

    def look(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        text = sql if isinstance(sql, str) else sql.as_string(context["connection"].connection)
        is_read = first_word(text) in EXPLAINABLE
        free = free_tables(folded(text), watched, column) if is_read else set()
        if free and by_policy and not many:
            free &= unbound_tables(_plan(execute, text, params, context), column)
        if free:
            place = shown(call_site(sys._getframe(1)))
            found[f"{', '.join(sorted(free))} without {column} at {place}: {folded(text)}"] = None
        return execute(sql, params, many, context)

    wrappers = connections[using].execute_wrappers
    wrappers.insert(0, look)  # the outermost, whose caller is who asks
    try:
        yield
    finally:
        wrappers.remove(look)
    assert not found, "\n".join(found)


def _plan(execute: Any, text: str, params: Any, context: Any) -> Plan:
    connection, cursor = context["connection"], context["cursor"]
    if getattr(cursor, "name", None) is None:
        execute(f"EXPLAIN (FORMAT JSON) {text}", params, False, context)
        return parse_plan(cursor.fetchone()[0])
    # A cursor in PostgreSQL holds no EXPLAIN.
    other = connection.connection.execute(f"EXPLAIN (FORMAT JSON) {text}", params)
    return parse_plan(other.fetchone()[0])


def unbound_tables(plan: Plan, column: str) -> set[str]:
    """The tables that a plan reads, somewhere, under no condition on a column."""
    return {
        each.relation
        for each in plan.root.walk()
        if each.relation and each.type != "ModifyTable" and not _conditioned(each, column)
    }


def _conditioned(scan: Node, column: str) -> bool:
    word = re.compile(rf"\b{re.escape(column)}\b")
    bitmap = [each for each in scan.walk() if each.type.startswith("Bitmap")]
    return any(
        word.search(condition or "")
        for each in {id(each): each for each in (scan, *bitmap)}.values()
        for condition in (each.index_condition, each.filter)
    )


def free_tables(text: str, watched: frozenset[str], column: str) -> set[str]:
    """Which of the watched tables a statement names without keeping them to a tenant, as far as its
    text, without values, tells."""
    arms = list(_arms(text))
    names = {(arm, name): table for arm in arms for name, table in arm.tables.items()}
    mine = {key for key, table in names.items() if table in watched}
    kept, joined = set[_Named](), list[tuple[_Named, _Named]]()
    for arm in arms if mine else ():
        kept.update(arm.kept(mine, column))
        joined.extend(arm.joined(mine, column))
    while spread := {pair for pair in joined if (pair[0] in kept) != (pair[1] in kept)}:
        kept.update(key for pair in spread for key in pair)
    return {names[key] for key in mine - kept}


@dataclass(eq=False)
class _Arm:
    """One SELECT, or other statement, without those in it; `around` are those that it stands in."""

    around: list[_Arm]
    text: str = ""
    tables: dict[str, str] = field(default_factory=dict)  # by the name that each has here

    def read(self) -> None:
        self.text = _SET.sub("SET ", self.text)
        for clause in _CLAUSE.finditer(self.text):
            for item in clause[1].replace('"', "").split(","):
                if found := _TABLE.match(item.strip()):
                    has_alias = found[2] and not _NO_ALIAS.fullmatch(found[2])
                    self.tables[found[2] if has_alias else found[1]] = found[1]

    def kept(self, mine: set[_Named], column: str) -> Iterator[_Named]:
        """What is compared with a value: watched tables by their tenant column, others by any."""
        for found in (*_KEPT.finditer(self.text), *_VALUE_FIRST.finditer(self.text)):
            key = self._named(found[1], mine)
            if key is not None and (key not in mine or found[2] == column):
                yield key

    def joined(self, mine: set[_Named], column: str) -> Iterator[tuple[_Named, _Named]]:
        """Which tables are compared with each other."""
        for found in _EQUAL.finditer(self.text):
            sides = (found[1], found[2]), (found[3], found[4])
            one, other = (name and self._named(name, mine) for name, _ in sides)
            if (
                one
                and other
                and all(
                    key not in mine or each == column
                    for key, (_, each) in zip((one, other), sides, strict=True)
                )
            ):
                yield one, other

    def _named(self, name: str | None, mine: set[_Named]) -> _Named | None:
        """The table of a name, here or around; without a name the only watched one here."""
        if name is None:
            here = [key for key in mine if key[0] is self]
            return here[0] if len(here) == 1 else None
        arms = (self, *self.around)
        return next(((arm, name) for arm in arms if name in arm.tables), None)


_Named = tuple[_Arm, str]


def _arms(text: str) -> Iterator[_Arm]:
    """The statements of a statement: itself, and each in parentheses, by their sides of UNION."""
    outermost = _Arm([])
    current, opened = outermost, list[_Arm | None]()
    found = [outermost]
    for token in re.finditer(r"[()]|[^()]+", text):
        if token[0] == "(" and _BEGINS.match(text, token.end()):
            current.text += f" {_SUBSELECT} "
            opened.append(current)
            current = _Arm([current, *current.around])
            found.append(current)
        elif token[0] == ")" and opened and (outer := opened.pop()) is not None:
            current = outer
        else:
            current.text += token[0]
            if token[0] == "(":
                opened.append(None)
    for arm in found:
        sides = _ARMS.split(arm.text)
        for side in sides[1:]:
            other = _Arm(arm.around, side)
            other.read()
            yield other
        arm.text = sides[0]
        arm.read()
        yield arm
