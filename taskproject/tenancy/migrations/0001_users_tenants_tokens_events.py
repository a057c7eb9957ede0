import datetime

import django.contrib.auth.models
import django.contrib.auth.validators
import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import taskproject.db.context
import taskproject.db.fields
import taskproject.db.isolation
import taskproject.db.keys
import taskproject.tenancy.models
import taskproject.tenancy.scoping


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                (
                    "first_name",
                    models.CharField(blank=True, max_length=150, verbose_name="first name"),
                ),
                (
                    "last_name",
                    models.CharField(blank=True, max_length=150, verbose_name="last name"),
                ),
                (
                    "email",
                    models.EmailField(blank=True, max_length=254, verbose_name="email address"),
                ),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                (
                    "date_joined",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="date joined"
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "db_table": "user_account",
                "indexes": [],
                "constraints": [],
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name="Tenant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "slug",
                    models.CharField(
                        help_text="Its name in addresses, such as acme in /api/v1/tenants/acme/.",
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9][a-z0-9_-]{0,62}$",
                                "Lower-case letters, digits, - and _; at most 63 of them.",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "tenant",
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(fields=("slug",), name="tenant_slug_uniq"),
                    models.CheckConstraint(
                        condition=models.Q(("slug__regex", "^[a-z0-9][a-z0-9_-]{0,62}$")),
                        name="tenant_slug_chk",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="tenant_name_chk"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        to="tenancy.tenant",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "role",
                    models.SmallIntegerField(
                        choices=[(0, "viewer"), (1, "member"), (2, "admin"), (3, "owner")],
                        default=1,
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "membership",
                "indexes": [models.Index(fields=["user"], name="membership_user_idx")],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "user"), name="membership_user_uniq"),
                    models.CheckConstraint(
                        condition=models.Q(("role__in", [0, 1, 2, 3])), name="membership_role_chk"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiToken",
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
                    "user",
                    taskproject.tenancy.scoping.MemberKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("prefix", models.CharField(max_length=16)),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[("read", "Read"), ("write", "Write"), ("admin", "Admin")],
                            max_length=16,
                        ),
                        default=taskproject.tenancy.models.default_scopes,
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "api_token",
                "abstract": False,
                "base_manager_name": "objects",
                "default_manager_name": "objects",
                "indexes": [],
                "constraints": [
                    taskproject.db.keys.TenantPrimaryKey(name="api_token_tpk"),
                    models.UniqueConstraint(
                        fields=("tenant", "digest"), name="api_token_digest_uniq"
                    ),
                    models.UniqueConstraint(
                        fields=("tenant", "prefix"), name="api_token_prefix_uniq"
                    ),
                    taskproject.db.keys.TenantReference(
                        field="user",
                        name="api_token_user_fk",
                        on_delete="CASCADE",
                        references="tenancy.membership",
                        to_column="user_id",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("scopes__contained_by", ["read", "write", "admin"]),
                            ("scopes__len__gt", 0),
                        ),
                        name="api_token_scopes_chk",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("expires_at__isnull", True),
                            (
                                "expires_at__lt",
                                datetime.datetime(9999, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            ),
                            _connector="OR",
                        ),
                        name="api_token_expires_chk",
                    ),
                ],
            },
        ),
        taskproject.db.isolation.IsolateTenant(
            model_name="ApiToken",
            privileges=("SELECT", "INSERT", "UPDATE"),
        ),
        migrations.CreateModel(
            name="Event",
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
                    "xid",
                    taskproject.db.fields.TransactionIdField(
                        db_default=taskproject.db.fields.CurrentTransactionId(), editable=False
                    ),
                ),
                ("task_id", models.BigIntegerField(null=True)),
                ("project_id", models.BigIntegerField(null=True)),
                (
                    "actor",
                    taskproject.tenancy.scoping.MemberKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "kind",
                    models.SmallIntegerField(
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
                            (40, "dependency added"),
                            (41, "dependency removed"),
                            (50, "label created"),
                            (60, "member added"),
                            (61, "member changed"),
                            (70, "token issued"),
                            (71, "token revoked"),
                        ]
                    ),
                ),
                ("changes", models.JSONField(default=dict)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "event",
                "abstract": False,
                "base_manager_name": "objects",
                "default_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["tenant", "xid", "id"], name="event_feed_idx"),
                    models.Index(
                        condition=models.Q(("task_id__isnull", False)),
                        fields=["tenant", "task_id", "id"],
                        name="event_task_idx",
                    ),
                ],
                "constraints": [
                    taskproject.db.keys.TenantPrimaryKey(name="event_tpk"),
                    taskproject.db.keys.TenantReference(
                        field="actor",
                        name="event_actor_fk",
                        on_delete="CASCADE",
                        references="tenancy.membership",
                        to_column="user_id",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__gt", 0)), name="event_kind_chk"
                    ),
                ],
            },
        ),
        taskproject.db.isolation.IsolateTenant(
            model_name="Event",
            privileges=("SELECT", "INSERT"),
        ),
        migrations.CreateModel(
            name="IdempotencyKey",
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
                    "user",
                    taskproject.tenancy.scoping.MemberKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("key", models.CharField(max_length=255)),
                ("fingerprint", models.BinaryField(max_length=32)),
                (
                    "state",
                    models.SmallIntegerField(choices=[(0, "running"), (1, "done")], default=0),
                ),
                ("status", models.SmallIntegerField(null=True)),
                ("response", models.BinaryField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "idempotency_key",
                "abstract": False,
                "base_manager_name": "objects",
                "default_manager_name": "objects",
                "indexes": [],
                "constraints": [
                    taskproject.db.keys.TenantPrimaryKey(name="idempotency_key_tpk"),
                    models.UniqueConstraint(
                        fields=("tenant", "user", "key"), name="idempotency_key_key_uniq"
                    ),
                    taskproject.db.keys.TenantReference(
                        field="user",
                        name="idempotency_key_user_fk",
                        on_delete="CASCADE",
                        references="tenancy.membership",
                        to_column="user_id",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", 1), _negated=True),
                            ("status__isnull", False),
                            _connector="OR",
                        ),
                        name="idempotency_key_done_chk",
                    ),
                ],
            },
        ),
        taskproject.db.isolation.IsolateTenant(
            model_name="IdempotencyKey",
            privileges=("SELECT", "INSERT", "UPDATE", "DELETE"),
        ),
    ]
