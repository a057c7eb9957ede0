from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tasks", "0007_an_index_lists_the_tasks_of_a_label")]

    operations = [
        AddIndexConcurrently(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True), ("assignee__isnull", False)),
                fields=["tenant", "assignee", "status", "created_at", "id"],
                name="task_work_idx",
            ),
        ),
        AddIndexConcurrently(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True), ("status__lt", 3)),
                fields=["tenant", "priority", "created_at", "id"],
                name="task_priority_idx",
            ),
        ),
        # The parts of a task come by time: the new index is built before the old one goes.
        migrations.RenameIndex(
            model_name="task", old_name="task_parent_idx", new_name="task_parent_old_idx"
        ),
        AddIndexConcurrently(
            model_name="task",
            index=models.Index(
                condition=models.Q(("parent__isnull", False)),
                fields=["tenant", "parent", "created_at", "id"],
                name="task_parent_idx",
            ),
        ),
        RemoveIndexConcurrently(model_name="task", name="task_parent_old_idx"),
    ]
