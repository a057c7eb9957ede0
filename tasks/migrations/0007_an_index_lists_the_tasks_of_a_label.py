from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


def swap(columns: str, name: str) -> list[str]:
    """Give the unique constraint other columns. The index is built beside the old one, while others
    write; the two are exchanged in a moment."""
    return [
        f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON task_label ({columns})",
        "ALTER TABLE task_label DROP CONSTRAINT task_label_uniq,"
        f" ADD CONSTRAINT task_label_uniq UNIQUE USING INDEX {name}",
    ]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0006_links_carry_the_time_of_their_task")]

    operations = [
        AddIndexConcurrently(
            model_name="tasklabel",
            index=models.Index(
                fields=["tenant", "label", "task_created_at", "task"],
                name="task_label_created_idx",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    swap("tenant_id, task_id, label_id", "task_label_by_task_uniq"),
                    swap("tenant_id, label_id, task_id", "task_label_by_label_uniq"),
                ),
            ],
            state_operations=[
                migrations.RemoveConstraint(model_name="tasklabel", name="task_label_uniq"),
                migrations.AddConstraint(
                    model_name="tasklabel",
                    constraint=models.UniqueConstraint(
                        fields=["tenant", "task", "label"], name="task_label_uniq"
                    ),
                ),
            ],
        ),
        RemoveIndexConcurrently(model_name="tasklabel", name="task_label_task_idx"),
    ]
