from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The index also has the blocker, by which what a task waits for comes in order."""

    atomic = False

    dependencies = [("tasks", "0010_what_is_not_yet_in_the_search_index_stays_little")]

    operations = [
        RemoveIndexConcurrently(model_name="dependency", name="dependency_blocked_idx"),
        AddIndexConcurrently(
            model_name="dependency",
            index=models.Index(
                fields=["tenant", "blocked", "blocker"], name="dependency_blocked_idx"
            ),
        ),
    ]
