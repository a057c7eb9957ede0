"""Refusing cycles: tasks that would wait for each other, or be parts of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import connection

from taskproject.db.context import require_tenant_id
from taskproject.db.violations import StateConflict

CYCLE_DEPTH: Final = 100
_CYCLE: Final = "This would close a cycle."
_CHAIN: Final = f"Chains of more than {CYCLE_DEPTH} tasks are refused."

# Each follows one relation from `start`, to a depth, and tells whether it meets `goal`.
_WALK: Final = """
    WITH RECURSIVE walk (task_id, depth) AS (
        VALUES (%(start)s::bigint, 0)
        UNION
        SELECT {next}, w.depth + 1
          FROM walk AS w
          JOIN {relation} ON r.tenant_id = %(tenant)s AND {link} = w.task_id
         WHERE w.depth < %(depth)s
    )
    SELECT bool_or(task_id = %(goal)s), max(depth) FROM walk
"""
_BLOCKED: Final = _WALK.format(next="r.blocked_id", relation="dependency AS r", link="r.blocker_id")
_PARENTS: Final = _WALK.format(
    next="r.parent_id", relation="task AS r", link="r.parent_id IS NOT NULL AND r.id"
)


def refuse_dependency_cycle(*, blocker_id: int, blocked_id: int) -> None:
    """Raise `StateConflict` if the blocker waits for the blocked already. Two statements.

    A lock of the tenant, held to the end of the transaction, keeps two additions apart that would
    close a cycle together.
    """
    _refuse(_BLOCKED, "dependency", start=blocked_id, goal=blocker_id)


def refuse_parent_cycle(*, task_id: int, parent_id: int) -> None:
    """Raise `StateConflict` if the parent is the task itself or a part of it. Two statements,
    under a lock as above."""
    _refuse(_PARENTS, "parent", start=parent_id, goal=task_id)


def _refuse(walk: str, lock: str, *, start: int, goal: int) -> None:
    tenant = require_tenant_id()
    values = {"start": start, "goal": goal, "tenant": tenant, "depth": CYCLE_DEPTH}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))", [lock, str(tenant)]
        )
        cursor.execute(walk, values)
        reached, depth = cursor.fetchone()
    if reached:
        raise StateConflict(_CYCLE)
    if depth >= CYCLE_DEPTH:
        # Beyond it the answer would be a guess.
        raise StateConflict(_CHAIN)


# Each of the tasks that move goes up from its new parent, by the new parents of the others.
_MOVED: Final = """
    WITH RECURSIVE moved AS MATERIALIZED (
        SELECT task_id, parent_id
          FROM unnest(%(tasks)s::bigint[], %(parents)s::bigint[]) AS given (task_id, parent_id)
    ), walk (start, task_id, depth) AS (
        SELECT task_id, parent_id, 0 FROM moved WHERE parent_id IS NOT NULL
        UNION ALL
        SELECT w.start, up.parent_id, w.depth + 1
          FROM walk AS w
          LEFT JOIN moved ON moved.task_id = w.task_id
          LEFT JOIN task AS r ON r.tenant_id = %(tenant)s AND r.id = w.task_id
         CROSS JOIN LATERAL (
                SELECT CASE WHEN moved.task_id IS NULL THEN r.parent_id ELSE moved.parent_id END
               ) AS up (parent_id)
         WHERE w.depth < %(depth)s AND w.task_id <> w.start AND up.parent_id IS NOT NULL
    )
    SELECT start, bool_or(task_id = start) FROM walk
     WHERE task_id = start OR depth >= %(depth)s
     GROUP BY start
"""


def parent_cycles(moved: Mapping[int, int | None]) -> dict[int, str]:
    """Which of the tasks that get new parents, all at once, can't have them, and why: they would be
    parts of themselves or, if none would, stand in too long a chain. Two statements, under a lock
    as above."""
    tenant = require_tenant_id()
    values: dict[str, Any] = {
        "tasks": list(moved),
        "parents": list(moved.values()),
        "tenant": tenant,
        "depth": CYCLE_DEPTH,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext('parent'), hashtext(%s))", [str(tenant)]
        )
        cursor.execute(_MOVED, values)
        found = dict(cursor.fetchall())
    # Who only leads into a cycle goes round in it as well, and may be good without it.
    closing = {task_id: _CYCLE for task_id, closed in found.items() if closed}
    return closing or dict.fromkeys(found, _CHAIN)
