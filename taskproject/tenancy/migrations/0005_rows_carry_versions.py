from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenancy", "0004_members_and_api_tokens_are_called_so"),
    ]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="version",
            field=models.IntegerField(db_default=1, default=1, editable=False),
        ),
        migrations.AddField(
            model_name="tenant",
            name="version",
            field=models.IntegerField(db_default=1, default=1, editable=False),
        ),
    ]
