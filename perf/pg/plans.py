"""PostgreSQL's plans as typed values: what EXPLAIN says, and what a test wants to know of it.

Plans are taken in the caller's own connection, role and settings, because row-level security and
statistics decide them. Nothing here knows any table or project.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import QuerySet

SORTS: Final = ("Sort", "Incremental Sort")
SEQ_SCAN: Final = "Seq Scan"
EXPLAINABLE: Final = ("select", "with", "values", "insert", "update", "delete", "merge")


@dataclass(frozen=True, slots=True)
class Buffers:
    """Pages of 8 KiB that a node and those below it asked for: found in memory, or fetched."""

    hit: int
    read: int

    @property
    def total(self) -> int:
        return self.hit + self.read


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a plan. What was measured is None in a plan that was not run."""

    type: str
    relation: str | None = None
    index: str | None = None
    index_condition: str | None = None
    filter: str | None = None
    backward: bool = False
    sort_keys: tuple[str, ...] = ()
    planned_rows: int = 0
    cost: float = 0.0
    rows: float | None = None  # a loop
    removed: float | None = None  # a loop, by the filter
    loops: int | None = None
    searches: int | None = None  # descents of the index, in all loops; PostgreSQL 18 tells
    buffers: Buffers | None = None
    disabled: bool = False  # by a setting such as enable_seqscan; PostgreSQL 18 tells
    full_pages: int = 0  # in that WAL
    wal_bytes: int = 0  # with those below it; counted where it was asked for
    part: str | None = None  # as EXPLAIN names a part of its own: "CTE made"
    cte: str | None = None  # whose rows a CTE Scan reads
    children: tuple[Node, ...] = ()

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the order of EXPLAIN."""
        yield self
        for child in self.children:
            yield from child.walk()

    def bounds(self, column: str) -> bool:
        """Whether the index condition names a column, so that the index is narrowed by it."""
        return re.search(rf"\b{re.escape(column)}\b", self.index_condition or "") is not None

    def __str__(self) -> str:
        parts = [self.type + (" backward" if self.backward else "")]
        if self.index:
            parts.append(f"using {self.index}")
        if self.relation:
            parts.append(f"on {self.relation}")
        parts += [f"{name}={value}" for name, value in self._details() if value]
        return " ".join(parts)

    def _details(self) -> Iterator[tuple[str, object]]:
        yield "cond", self.index_condition
        yield "filter", self.filter
        yield "by", ", ".join(self.sort_keys)
        if self.rows is None:
            yield "planned_rows", self.planned_rows
        else:
            yield "rows", f"{self.rows:g}"
            yield "removed", self.removed and f"{self.removed:g}"
            yield "loops", self.loops if self.loops != 1 else None
        if self.buffers:
            yield "buffers", f"{self.buffers.hit}+{self.buffers.read}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of one statement. `str(plan)` draws it, for the message of a failed test."""

    root: Node
    statement: str = field(default="", compare=False)
    planning_ms: float | None = None
    execution_ms: float | None = None

    def nodes(self, *types: str) -> tuple[Node, ...]:
        """The nodes of those types, such as "Seq Scan"; all nodes without a type."""
        return tuple(each for each in self.root.walk() if not types or each.type in types)

    def scans(self, index: str) -> tuple[Node, ...]:
        """The nodes that read an index: plain, index-only and bitmap scans."""
        return tuple(each for each in self.root.walk() if each.index == index)

    def seq_scans(self, relation: str) -> tuple[Node, ...]:
        """The nodes that read a table from end to end, in parallel or not."""
        return tuple(each for each in self.nodes(SEQ_SCAN) if each.relation == relation)

    def uses_index(self, name: str) -> bool:
        """Whether any node reads that index."""
        return bool(self.scans(name))

    @property
    def indexes(self) -> tuple[str, ...]:
        """The names of the indexes that are read, in the order of EXPLAIN, each once."""
        return tuple(dict.fromkeys(each.index for each in self.root.walk() if each.index))

    @property
    def has_sort(self) -> bool:
        """Whether rows are sorted, wholly or within runs that come sorted already."""
        return bool(self.nodes(*SORTS))

    @property
    def fingerprint(self) -> str:
        """The plan's form in one line: steps, tables, indexes and their order, without figures.

        Equal plans have equal fingerprints, however many rows they meet.
        """
        return _form(self.root)

    @property
    def tops(self) -> tuple[Node, ...]:
        """The nodes whose figures together are those of the statement.

        They are the root, and each WITH that writes and that nothing reads: PostgreSQL runs it to
        its end after the root, which has nothing of it in its own figures.
        """
        read = {f"CTE {node.cte}" for node in self.root.walk() if node.cte}
        alone = (
            node
            for node in self.root.walk()
            if node.type == "ModifyTable" and node.part and node.part not in read
        )
        return (self.root, *alone)

    @property
    def buffers(self) -> int:
        """How many pages the statement asked for. Raises `ValueError` if it was not run."""
        if self.root.buffers is None:
            raise ValueError("Buffers are counted by a run: take the plan with analyze=True.")
        return sum(node.buffers.total for node in self.tops if node.buffers)

    @property
    def wal_bytes(self) -> int:
        """How much WAL the statement wrote, where that was asked for; foreign keys and triggers
        are in no plan."""
        return sum(node.wal_bytes for node in self.tops)

    @property
    def full_pages(self) -> int:
        """How many blocks stand whole in that WAL, as they changed first after a checkpoint."""
        return sum(node.full_pages for node in self.tops)

    def complaints(
        self, *, index: str, table: str, bounds: Sequence[str] = (), may_sort: bool = False
    ) -> list[str]:
        """A sentence for each way in which the plan misses what is expected; empty when it does.

        Expected are: `index` is read and narrowed by each column of `bounds`, `table` is not read
        from end to end, and, unless `may_sort`, the rows come in order without being sorted.
        """
        found = []
        scans = self.scans(index)
        if not scans:
            found.append(f"{index} is not used, but {', '.join(self.indexes) or 'no index'}")
        loose = [name for name in bounds if not any(scan.bounds(name) for scan in scans)]
        if scans and loose:
            found.append(f"{index} is not narrowed by {', '.join(loose)}")
        if self.seq_scans(table):
            found.append(f"{table} is read from end to end")
        if self.has_sort and not may_sort:
            found.append("the rows are sorted")
        return found

    def __str__(self) -> str:
        return "\n".join(_drawn(self.root, 0))


def _drawn(node: Node, depth: int) -> Iterator[str]:
    yield "  " * depth + str(node)
    for child in node.children:
        yield from _drawn(child, depth + 1)


def _form(node: Node) -> str:
    parts = [node.type + (" backward" if node.backward else ""), node.index, node.relation]
    below = ", ".join(_form(child) for child in node.children)
    return " ".join(filter(None, parts)) + (f" ({below})" if below else "")


def explain(query: QuerySet[Any, Any], *, analyze: bool = False) -> Plan:
    """The plan of a queryset; with `analyze` it is run, and what it costs is measured.

    Raises `ValueError` for a queryset that Django answers without asking the database.
    """
    options = {"timing": False} if analyze else {}
    document = query.explain(format="json", buffers=True, analyze=analyze, **options)
    if not document:
        raise ValueError("Django answers this queryset without a statement: it has no plan.")
    return parse_plan(document, statement=str(query.query))


def explain_sql(
    connection: Any, statement: str, params: Any = None, *, analyze: bool = False
) -> Plan:
    """The plan of a statement with its parameters, on a connection of Django.

    With `analyze` the statement is run, and what it writes is written.
    """
    with connection.cursor() as cursor:
        cursor.execute(_explaining(statement, analyze), params)
        return parse_plan(cursor.fetchone()[0], statement=statement)


@contextmanager
def plans_of(connection: Any, *, analyze: bool = False) -> Iterator[list[Plan]]:
    """Collect the plan of each statement that the block runs, such as of a `get()` or a request.

    With `analyze` a SELECT runs twice, once for its plan; what may write is only planned.
    """
    plans: list[Plan] = []

    def plan_first(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        word = first_word(sql)
        if word in EXPLAINABLE and not many:
            execute(_explaining(sql, analyze and word == "select"), params, many, context)
            plans.append(parse_plan(context["cursor"].fetchone()[0], statement=sql))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(plan_first):
        yield plans


def first_word(sql: str) -> str:
    """The word that a statement begins with, in small letters."""
    match = re.match(r"[\s(]*(\w+)", sql)
    return match[1].lower() if match else ""


def _explaining(statement: str, analyze: bool) -> str:
    run = "ANALYZE, TIMING FALSE, " if analyze else ""
    return f"EXPLAIN ({run}BUFFERS, FORMAT JSON) {statement}"


def parse_plan(document: Any, *, statement: str = "") -> Plan:
    """The plan in the JSON of EXPLAIN, given as text or as what it reads as.

    Raises `ValueError` for anything else.
    """
    found = json.loads(document) if isinstance(document, str | bytes) else document
    while isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict) or "Plan" not in found:
        raise ValueError("This is no plan: EXPLAIN (FORMAT JSON) writes one of one statement.")
    return Plan(
        root=_node(found["Plan"]),
        statement=statement,
        planning_ms=found.get("Planning Time"),
        execution_ms=found.get("Execution Time"),
    )


def _node(found: dict[str, Any]) -> Node:
    # PostgreSQL marks a parallel scan beside its type, and counts buffers only in a run.
    was_run = "Actual Loops" in found
    return Node(
        type=found["Node Type"],
        relation=found.get("Relation Name"),
        index=found.get("Index Name"),
        index_condition=found.get("Index Cond"),
        filter=found.get("Filter"),
        backward=found.get("Scan Direction") == "Backward",
        sort_keys=tuple(found.get("Sort Key", ())),
        planned_rows=found.get("Plan Rows", 0),
        cost=found.get("Total Cost", 0.0),
        rows=found.get("Actual Rows"),
        removed=found.get("Rows Removed by Filter"),
        loops=found.get("Actual Loops"),
        searches=found.get("Index Searches"),
        disabled=found.get("Disabled", False),
        wal_bytes=found.get("WAL Bytes", 0),
        full_pages=found.get("WAL FPI", 0),
        part=found.get("Subplan Name"),
        cte=found.get("CTE Name"),
        buffers=_buffers(found) if was_run else None,
        children=tuple(_node(child) for child in found.get("Plans", ())),
    )


def _buffers(found: dict[str, Any]) -> Buffers:
    return Buffers(hit=found.get("Shared Hit Blocks", 0), read=found.get("Shared Read Blocks", 0))
