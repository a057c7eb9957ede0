import django.contrib.postgres.indexes
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tasks", "0009_a_function_searches_tasks")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER INDEX task_search_idx SET (gin_pending_list_limit = 512)",
                    "ALTER INDEX task_search_idx RESET (gin_pending_list_limit)",
                ),
            ],
            state_operations=[
                migrations.RemoveIndex(model_name="task", name="task_search_idx"),
                migrations.AddIndex(
                    model_name="task",
                    index=django.contrib.postgres.indexes.GinIndex(
                        fields=["tenant", "search"],
                        gin_pending_list_limit=512,
                        name="task_search_idx",
                    ),
                ),
            ],
        ),
    ]
