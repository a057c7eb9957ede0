"""Refusing cycles: tasks that would wait for each other, or be parts of themselves."""

from __future__ import annotations

from typing import Final

from django.db import connection

from taskproject.db.context import require_tenant_id
from taskproject.db.violations import StateConflict

CYCLE_DEPTH: Final = 100

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
        raise StateConflict("This would close a cycle.")
    if depth >= CYCLE_DEPTH:
        # Beyond it the answer would be a guess.
        raise StateConflict(f"Chains of more than {CYCLE_DEPTH} tasks are refused.")
