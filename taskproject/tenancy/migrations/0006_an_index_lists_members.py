from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Members come in the order of their joining."""

    atomic = False

    dependencies = [("tenancy", "0005_rows_carry_versions")]

    operations = [
        AddIndexConcurrently(
            model_name="membership",
            index=models.Index(fields=["tenant", "id"], name="membership_joined_idx"),
        ),
    ]
