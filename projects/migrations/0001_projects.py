import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import taskproject.db.context
import taskproject.db.isolation
import taskproject.db.keys
import taskproject.tenancy.scoping


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenancy", "0001_users_tenants_tokens_events"),
    ]

    operations = [
        migrations.CreateModel(
            name="Project",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "tenant",
                    taskproject.tenancy.scoping.TenantKey(
                        db_index=False,
                        default=taskproject.db.context.current_tenant_id,
                        editable=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="+",
                        to="tenancy.tenant",
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        max_length=10,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z][A-Z0-9]{0,9}$",
                                "A capital letter, then up to 9 capitals or digits.",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("description", models.TextField(blank=True, default="")),
                (
                    "lead",
                    taskproject.tenancy.scoping.MemberKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("next_number", models.IntegerField(default=1, editable=False)),
                ("archived_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("version", models.IntegerField(default=1, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "project",
                "abstract": False,
                "base_manager_name": "objects",
                "default_manager_name": "objects",
                "indexes": [],
                "constraints": [
                    taskproject.db.keys.TenantPrimaryKey(name="project_tpk"),
                    models.UniqueConstraint(fields=("tenant", "key"), name="project_key_uniq"),
                    taskproject.db.keys.TenantReference(
                        field="lead",
                        name="project_lead_fk",
                        on_delete="CASCADE",
                        references="tenancy.membership",
                        to_column="user_id",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("key__regex", "^[A-Z][A-Z0-9]{0,9}$")),
                        name="project_key_chk",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="project_name_chk"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("description__bytes__lte", 65536)),
                        name="project_description_chk",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("next_number__gt", 0)), name="project_next_number_chk"
                    ),
                ],
            },
        ),
        taskproject.db.isolation.IsolateTenant(
            model_name="Project",
            privileges=("SELECT", "INSERT", "UPDATE"),
        ),
    ]
