from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0004_rows_carry_versions")]

    operations = [
        migrations.AddField(
            model_name="tasklabel",
            name="task_created_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        # Not valid yet: it holds for new rows, and looks at none that are there.
        migrations.RunSQL(
            "ALTER TABLE task_label ADD CONSTRAINT task_label_created_chk"
            " CHECK (task_created_at IS NOT NULL) NOT VALID",
            "ALTER TABLE task_label DROP CONSTRAINT IF EXISTS task_label_created_chk",
        ),
    ]
