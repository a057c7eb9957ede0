"""Taking deleted tasks away for good, a batch at a time, in the active tenant."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from taskproject.db.context import require_tenant_id
from taskproject.tenancy.models import EventKind
from tasks.models import Task

# The key would cascade from a task to its parts, and they may be live.
_FREE: Final = """
    WITH freed AS (
        UPDATE task SET parent_id = NULL, version = version + 1, updated_at = statement_timestamp()
          FROM (SELECT id, parent_id FROM task
                 WHERE tenant_id = %(tenant)s AND parent_id = ANY (%(ids)s)
                   AND NOT id = ANY (%(ids)s)
                 ORDER BY id FOR NO KEY UPDATE) AS part
         WHERE task.tenant_id = %(tenant)s AND task.id = part.id
        RETURNING task.id, task.project_id, part.parent_id AS was
    )
    INSERT INTO event (tenant_id, task_id, project_id, kind, changes)
    SELECT %(tenant)s, id, project_id, %(kind)s,
           jsonb_build_object('parent_id', jsonb_build_array(was, NULL))
      FROM freed
"""


@transaction.atomic
def tasks_purge(*, before: datetime, limit: int) -> int:
    """Take away for good up to `limit` tasks that had been deleted before; how many. Three
    statements, one if there are none.

    Their labels, comments and dependencies go with them, and parts of them lose their parent. Their
    events stay, and their numbers are not given again.
    """
    tasks = Task.objects.filter(deleted_at__lt=before)  # index: task_deleted_idx
    oldest = tasks.order_by("deleted_at", "id").select_for_update()
    ids = list(oldest.values_list("id", flat=True)[:limit])
    if ids:
        values: dict[str, Any] = {
            "tenant": require_tenant_id(),
            "ids": ids,
            "kind": EventKind.TASK_UPDATED.value,
        }
        with connection.cursor() as cursor:  # index: task_parent_idx
            cursor.execute(_FREE, values)
        Task.objects.filter(pk__in=ids)._raw_delete(connection.alias)
    return len(ids)
