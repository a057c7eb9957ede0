from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tenancy", "0002_comments_labels_and_tenants_have_more_events")]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                condition=models.Q(("task_id__isnull", True), ("project_id__isnull", False)),
                fields=["tenant", "project_id", "id"],
                name="event_project_idx",
            ),
        ),
    ]
