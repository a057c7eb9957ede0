from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tasks", "0003_dependencies_have_a_plural"),
    ]

    operations = [
        migrations.AddField(
            model_name="comment",
            name="version",
            field=models.IntegerField(db_default=1, default=1, editable=False),
        ),
        migrations.AddField(
            model_name="label",
            name="version",
            field=models.IntegerField(db_default=1, default=1, editable=False),
        ),
    ]
