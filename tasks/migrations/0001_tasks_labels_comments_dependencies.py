import datetime

import django.contrib.postgres.indexes
import django.contrib.postgres.operations
import django.contrib.postgres.search
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import taskproject.db.context
import taskproject.db.isolation
import taskproject.db.keys
import taskproject.tenancy.scoping


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("projects", "0001_projects"),
        ("tenancy", "0001_users_tenants_tokens_events"),
    ]

    operations = [
        django.contrib.postgres.operations.BtreeGinExtension(),
        migrations.CreateModel(
            name="Label",
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
                ("name", models.CharField(max_length=50)),
                (
                    "colour",
                    models.CharField(
                        default="#8a8f98",
                        max_length=7,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^#[0-9a-f]{6}$", "A colour reads #rrggbb, in lower case."
                            )
                        ],
                    ),
                ),
            ],
            options={
                "db_table": "label",
                "abstract": False,
                "base_manager_name": "objects",
                "default_manager_name": "objects",
                "indexes": [],
                "constraints": [
                    taskproject.db.keys.TenantPrimaryKey(name="label_tpk"),
                    models.UniqueConstraint(
                        models.F("tenant"),
                        django.db.models.functions.text.Lower("name"),
                        name="label_name_uniq",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="label_name_chk"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("colour__regex", "^#[0-9a-f]{6}$")),
                        name="label_colour_chk",
                    ),
                ],
            },
        ),
        taskproject.db.isolation.IsolateTenant(
            model_name="Label",
            privileges=("SELECT", "INSERT", "UPDATE", "DELETE"),
        ),
        migrations.CreateModel(
            name="Task",
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
                    "project",
                    taskproject.db.keys.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="tasks",
                        to="projects.project",
                    ),
                ),
                ("number", models.IntegerField(editable=False)),
                ("title", models.CharField(max_length=300)),
                ("description", models.TextField(blank=True, default="")),
                (
                    "status",
                    models.SmallIntegerField(
                        choices=[
                            (0, "pending"),
                            (1, "active"),
                            (2, "blocked"),
                            (3, "done"),
                            (4, "cancelled"),
                        ],
                        default=0,
                    ),
                ),
                (
                    "priority",
                    models.SmallIntegerField(
                        choices=[(0, "low"), (1, "normal"), (2, "high"), (3, "urgent")], default=1
                    ),
                ),
                (
                    "assignee",
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
                (
                    "creator",
                    taskproject.tenancy.scoping.MemberKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "parent",
                    taskproject.db.keys.TenantForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="children",
                        to="tasks.task",
                    ),
                ),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("external_key", models.CharField(blank=True, max_length=200, null=True)),
                ("version", models.IntegerField(default=1, editable=False)),
                (
                    "search",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.contrib.postgres.search.CombinedSearchVector(
                            django.contrib.postgres.search.SearchVector(
                                "title", config="simple", weight="A"
                            ),
                            "||",
                            django.contrib.postgres.search.SearchVector(
                                "description", config="simple", weight="B"
                            ),
                            django.contrib.postgres.search.SearchConfig("simple"),
                        ),
                        output_field=django.contrib.postgres.search.SearchVectorField(),
                    ),
                ),
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
                ("deleted_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "db_table": "task",
                "abstract": False,
                "base_manager_name": "objects",
                "default_manager_name": "objects",
                "indexes": [
                    models.Index(
                        condition=models.Q(("deleted_at__isnull", True)),
                        fields=["tenant", "created_at", "id"],
                        name="task_created_idx",
                    ),
                    models.Index(
                        condition=models.Q(("deleted_at__isnull", True)),
                        fields=["tenant", "status", "created_at", "id"],
                        name="task_status_idx",
                    ),
                    models.Index(
                        condition=models.Q(("deleted_at__isnull", True)),
                        fields=["tenant", "project", "created_at", "id"],
                        name="task_project_idx",
                    ),
                    models.Index(
                        condition=models.Q(("deleted_at__isnull", True)),
                        fields=["tenant", "project", "status", "created_at", "id"],
                        name="task_board_idx",
                    ),
                    models.Index(
                        condition=models.Q(
                            ("deleted_at__isnull", True), ("assignee__isnull", False)
                        ),
                        fields=["tenant", "assignee", "created_at", "id"],
                        name="task_assignee_idx",
                    ),
                    models.Index(
                        condition=models.Q(
                            ("deleted_at__isnull", True),
                            ("status__lt", 3),
                            ("due_at__isnull", False),
                        ),
                        fields=["tenant", "due_at", "id"],
                        name="task_due_idx",
                    ),
                    models.Index(
                        condition=models.Q(("parent__isnull", False)),
                        fields=["tenant", "parent", "id"],
                        name="task_parent_idx",
                    ),
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["tenant", "search"], name="task_search_idx"
                    ),
                ],
                "constraints": [
                    taskproject.db.keys.TenantPrimaryKey(name="task_tpk"),
                    models.UniqueConstraint(
                        fields=("tenant", "project", "number"), name="task_number_uniq"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("external_key__isnull", False)),
                        fields=("tenant", "external_key"),
                        name="task_external_key_uniq",
                    ),
                    taskproject.db.keys.TenantReference(
                        field="project",
                        name="task_project_fk",
                        on_delete="CASCADE",
                        references=None,
                        to_column="id",
                    ),
                    taskproject.db.keys.TenantReference(
                        field="parent",
                        name="task_parent_fk",
                        on_delete="CASCADE",
                        references=None,
                        to_column="id",
                    ),
                    taskproject.db.keys.TenantReference(
                        field="assignee",
                        name="task_assignee_fk",
                        on_delete="CASCADE",
                        references="tenancy.membership",
                        to_column="user_id",
                    ),
                    taskproject.db.keys.TenantReference(
                        field="creator",
                        name="task_creator_fk",
                        on_delete="CASCADE",
                        references="tenancy.membership",
                        to_column="user_id",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("title", ""), _negated=True), name="task_title_chk"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("description__bytes__lte", 65536)),
                        name="task_description_chk",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", [0, 1, 2, 3, 4])), name="task_status_chk"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("priority__in", [0, 1, 2, 3])), name="task_priority_chk"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("number__gt", 0)), name="task_number_chk"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("due_at__isnull", True),
                            (
                                "due_at__lt",
                                datetime.datetime(9999, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            ),
                            _connector="OR",
                        ),
                        name="task_due_chk",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("parent__isnull", True),
                            models.Q(("parent", models.F("id")), _negated=True),
                            _connector="OR",
                        ),
                        name="task_parent_chk",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("completed_at__isnull", False), ("status", 3)),
                            models.Q(
                                models.Q(("status", 3), _negated=True),
                                ("completed_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="task_completed_chk",
                    ),
                ],
            },
        ),
        taskproject.db.isolation.IsolateTenant(
            model_name="Task",
            privileges=("SELECT", "INSERT", "UPDATE", "DELETE"),
        ),
        migrations.CreateModel(
            name="TaskLabel",
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
                    "task",
                    taskproject.db.keys.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="task_labels",
                        to="tasks.task",
                    ),
                ),
                (
                    "label",
                    taskproject.db.keys.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="task_labels",
                        to="tasks.label",
                    ),
                ),
            ],
            options={
                "db_table": "task_label",
                "abstract": False,
                "base_manager_name": "objects",
                "default_manager_name": "objects",
                "indexes": [models.Index(fields=["tenant", "task"], name="task_label_task_idx")],
                "constraints": [
                    taskproject.db.keys.TenantPrimaryKey(name="task_label_tpk"),
                    models.UniqueConstraint(
                        fields=("tenant", "label", "task"), name="task_label_uniq"
                    ),
                    taskproject.db.keys.TenantReference(
                        field="task",
                        name="task_label_task_fk",
                        on_delete="CASCADE",
                        references=None,
                        to_column="id",
                    ),
                    taskproject.db.keys.TenantReference(
                        field="label",
                        name="task_label_label_fk",
                        on_delete="CASCADE",
                        references=None,
                        to_column="id",
                    ),
                ],
            },
        ),
        taskproject.db.isolation.IsolateTenant(
            model_name="TaskLabel",
            privileges=("SELECT", "INSERT", "DELETE"),
        ),
        migrations.CreateModel(
            name="Comment",
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
                    "task",
                    taskproject.db.keys.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="comments",
                        to="tasks.task",
                    ),
                ),
                (
                    "author",
                    taskproject.tenancy.scoping.MemberKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("body", models.TextField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("edited_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "db_table": "comment",
                "abstract": False,
                "base_manager_name": "objects",
                "default_manager_name": "objects",
                "indexes": [models.Index(fields=["tenant", "task", "id"], name="comment_task_idx")],
                "constraints": [
                    taskproject.db.keys.TenantPrimaryKey(name="comment_tpk"),
                    taskproject.db.keys.TenantReference(
                        field="task",
                        name="comment_task_fk",
                        on_delete="CASCADE",
                        references=None,
                        to_column="id",
                    ),
                    taskproject.db.keys.TenantReference(
                        field="author",
                        name="comment_author_fk",
                        on_delete="CASCADE",
                        references="tenancy.membership",
                        to_column="user_id",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("body", ""), _negated=True), ("body__bytes__lte", 16384)
                        ),
                        name="comment_body_chk",
                    ),
                ],
            },
        ),
        taskproject.db.isolation.IsolateTenant(
            model_name="Comment",
            privileges=("SELECT", "INSERT", "UPDATE", "DELETE"),
        ),
        migrations.CreateModel(
            name="Dependency",
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
                    "blocker",
                    taskproject.db.keys.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="blocks",
                        to="tasks.task",
                    ),
                ),
                (
                    "blocked",
                    taskproject.db.keys.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="blocked_by",
                        to="tasks.task",
                    ),
                ),
            ],
            options={
                "db_table": "dependency",
                "abstract": False,
                "base_manager_name": "objects",
                "default_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["tenant", "blocked"], name="dependency_blocked_idx")
                ],
                "constraints": [
                    taskproject.db.keys.TenantPrimaryKey(name="dependency_tpk"),
                    models.UniqueConstraint(
                        fields=("tenant", "blocker", "blocked"), name="dependency_uniq"
                    ),
                    taskproject.db.keys.TenantReference(
                        field="blocker",
                        name="dependency_blocker_fk",
                        on_delete="CASCADE",
                        references=None,
                        to_column="id",
                    ),
                    taskproject.db.keys.TenantReference(
                        field="blocked",
                        name="dependency_blocked_fk",
                        on_delete="CASCADE",
                        references=None,
                        to_column="id",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("blocker", models.F("blocked")), _negated=True),
                        name="dependency_self_chk",
                    ),
                ],
            },
        ),
        taskproject.db.isolation.IsolateTenant(
            model_name="Dependency",
            privileges=("SELECT", "INSERT", "DELETE"),
        ),
    ]
