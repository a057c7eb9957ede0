"""Whether an index can serve a queryset: true or false whatever the table holds.

Which index PostgreSQL picks depends on rows and statistics; on a table of one row it picks none.
With sequential scans discouraged it picks one if any can serve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connections, transaction
from django.db.models import QuerySet

from perf.pg.plans import SEQ_SCAN, Node, Plan, explain


def assert_index_served(
    queryset: QuerySet[Any, Any],
    *,
    leading: Sequence[str] = ("tenant_id",),
    table: str | None = None,
) -> Plan:
    """Fail unless each scan of a table goes by an index that is narrowed by the `leading` columns:
    each of them in its Index Cond.

    `table` is that of the queryset's model unless it is named. That an index is read proves
    nothing: it may be read from end to end, and PostgreSQL 18 may skip through it. Returns the
    plan. Four statements. Raises `AssertionError` with the plan, and `ValueError` for a queryset
    without a statement.
    """
    table = table or queryset.model._meta.db_table
    plan = served_plan(queryset)
    complaints = list(_complaints(plan, table, leading))
    assert not complaints, f"{'; '.join(complaints)}:\n{plan}\n{plan.statement}"
    return plan


def served_plan(queryset: QuerySet[Any, Any]) -> Plan:
    """The plan of a queryset with sequential scans discouraged. What is set for it is undone."""
    with transaction.atomic(using=queryset.db):
        with connections[queryset.db].cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        plan = explain(queryset)
        transaction.set_rollback(True, using=queryset.db)
    return plan


def _complaints(plan: Plan, table: str, leading: Sequence[str]) -> Iterator[str]:
    scans = [each for each in plan.root.walk() if each.relation == table]
    if not scans:
        yield f"{table} is not read"
    for scan in scans:
        if scan.type == SEQ_SCAN or scan.disabled:
            yield f"no index serves: {table} is read from end to end"
            continue
        conditions = list(_indexed(scan))
        for column in leading:
            if not all(each.bounds(column) for each in conditions):
                yield f"{conditions[0].index or scan.type} is not narrowed by {column}"


def _indexed(scan: Node) -> list[Node]:
    """The nodes that read indexes for a scan: itself, or those of its bitmap."""
    if scan.index:
        return [scan]
    return [each for each in scan.walk() if each.type == "Bitmap Index Scan"] or [scan]
