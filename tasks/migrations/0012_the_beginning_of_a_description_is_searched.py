from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.contrib.postgres.search import (
    CombinedSearchVector,
    SearchConfig,
    SearchVector,
    SearchVectorField,
)
from django.db import migrations, models
from django.db.models.functions import Left


class Migration(migrations.Migration):
    """Only the beginning of a description is searched: PostgreSQL needs more than 5 s to take apart
    64 KB of words that are joined by - and _.

    The table is written anew, and nobody reads or writes it meanwhile: PostgreSQL 15 and 16 can't
    change a generated column in any other way.
    """

    atomic = False

    dependencies = [("tasks", "0011_an_index_lists_what_a_task_waits_for")]

    operations = [
        migrations.RemoveIndex(model_name="task", name="task_search_idx"),
        migrations.RemoveField(model_name="task", name="search"),
        migrations.AddField(
            model_name="task",
            name="search",
            field=models.GeneratedField(
                db_persist=True,
                expression=CombinedSearchVector(
                    SearchVector("title", config="simple", weight="A"),
                    "||",
                    SearchVector(Left("description", 8192), config="simple", weight="B"),
                    SearchConfig("simple"),
                ),
                output_field=SearchVectorField(),
            ),
        ),
        AddIndexConcurrently(
            model_name="task",
            index=GinIndex(
                fields=["tenant", "search"], gin_pending_list_limit=512, name="task_search_idx"
            ),
        ),
    ]
