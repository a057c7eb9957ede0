from django.db import migrations, models


class Migration(migrations.Migration):
    """The kinds of event stand in Python only: no statement is run."""

    dependencies = [("tenancy", "0001_users_tenants_tokens_events")]

    operations = [
        migrations.AlterField(
            model_name="event",
            name="kind",
            field=models.SmallIntegerField(
                choices=[
                    (10, "project created"),
                    (11, "project updated"),
                    (12, "project archived"),
                    (13, "project unarchived"),
                    (20, "task created"),
                    (21, "task updated"),
                    (22, "task deleted"),
                    (23, "task restored"),
                    (24, "task imported"),
                    (25, "task labelled"),
                    (26, "task unlabelled"),
                    (30, "comment added"),
                    (31, "comment edited"),
                    (32, "comment deleted"),
                    (40, "dependency added"),
                    (41, "dependency removed"),
                    (50, "label created"),
                    (51, "label updated"),
                    (52, "label deleted"),
                    (60, "member added"),
                    (61, "member changed"),
                    (70, "token issued"),
                    (71, "token revoked"),
                    (80, "tenant updated"),
                ]
            ),
        ),
    ]
