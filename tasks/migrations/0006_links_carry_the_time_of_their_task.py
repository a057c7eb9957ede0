"""Fills the column, and ends with NOT NULL. No step keeps writers waiting for long."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

_BATCH = """
    WITH batch AS (
        SELECT tenant_id, id, task_id FROM task_label
         WHERE (tenant_id, id) > (%s, %s) ORDER BY tenant_id, id LIMIT 10000
    ), filled AS (
        UPDATE task_label AS link SET task_created_at = task.created_at
          FROM batch JOIN task ON task.tenant_id = batch.tenant_id AND task.id = batch.task_id
         WHERE link.tenant_id = batch.tenant_id AND link.id = batch.id
           AND link.task_created_at IS NULL
    )
    SELECT tenant_id, id FROM batch ORDER BY tenant_id DESC, id DESC LIMIT 1
"""


def fill(apps: Any, schema_editor: Any) -> None:
    """Copy the times, 10,000 links in a transaction. Run again, it leaves alone what it filled."""
    last: tuple[int, int] | None = (0, 0)
    with schema_editor.connection.cursor() as cursor:
        while last:
            cursor.execute(_BATCH, last)
            last = cursor.fetchone()


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0005_links_get_a_column_for_the_time_of_their_task")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        # Reads the table while others write. SET NOT NULL then believes the constraint.
        migrations.RunSQL(
            "ALTER TABLE task_label VALIDATE CONSTRAINT task_label_created_chk",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="tasklabel",
            name="task_created_at",
            field=models.DateTimeField(editable=False),
        ),
        migrations.RunSQL(
            "ALTER TABLE task_label DROP CONSTRAINT IF EXISTS task_label_created_chk",
            migrations.RunSQL.noop,
        ),
    ]
