"""Users, tenants, memberships, tokens, events, and kept answers of idempotent requests."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from taskproject.db.fields import TransactionIdField
from taskproject.db.keys import TenantPrimaryKey
from taskproject.db.values import END_OF_TIME
from taskproject.tenancy.scoping import MemberKey, TenantModel, member_reference

SLUG_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"


# Which addresses and filters use for something else: `assignee=me`, `members/..`.
RESERVED_NAMES = frozenset({".", "..", "me"})


class User(AbstractUser):
    """A person or a program, across tenants; what it may do is said by its memberships."""

    class Meta:
        db_table = "user_account"


class Tenant(models.Model):
    """An organisation whose data no other one sees."""

    slug = models.CharField(
        max_length=63,
        validators=[
            RegexValidator(SLUG_PATTERN, "Lower-case letters, digits, - and _; at most 63 of them.")
        ],
        help_text="Its name in addresses, such as acme in /api/v1/tenants/acme/.",
    )
    name = models.CharField(max_length=200)
    version = models.IntegerField(default=1, db_default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "tenant"
        constraints = [
            # serves: tenant_get, membership_of; not unique=True, which would add an index for LIKE
            models.UniqueConstraint(fields=["slug"], name="tenant_slug_uniq"),
            models.CheckConstraint(condition=Q(slug__regex=SLUG_PATTERN), name="tenant_slug_chk"),
            models.CheckConstraint(condition=~Q(name=""), name="tenant_name_chk"),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.IntegerChoices):
    """What a member may do; each role may do all that the ones before it may."""

    VIEWER = 0, "viewer"
    MEMBER = 1, "member"
    ADMIN = 2, "admin"
    OWNER = 3, "owner"


class Membership(models.Model):
    """A user's place in a tenant. Deactivated, never deleted: what was done keeps its doer.

    It stands outside the walls because it is asked for by user as well: "which are my tenants?"
    """

    tenant = models.ForeignKey(Tenant, models.DB_CASCADE, db_index=False)
    user = models.ForeignKey(User, models.DB_CASCADE, db_index=False, related_name="memberships")
    role = models.SmallIntegerField(choices=Role, default=Role.MEMBER)
    active = models.BooleanField(default=True)
    version = models.IntegerField(default=1, db_default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "membership"
        verbose_name = "member"
        constraints = [
            # serves: membership_get, membership_of, member_is_active, member_by_name, people_in;
            # referenced by every person in a tenant's rows
            models.UniqueConstraint(fields=["tenant", "user"], name="membership_user_uniq"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_chk"),
        ]
        indexes = [
            # serves: memberships_of (not tenant-first: it finds a user's tenants)
            models.Index(fields=["user"], name="membership_user_idx"),
            # serves: member_list
            models.Index(fields=["tenant", "id"], name="membership_joined_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.user.username} as {self.get_role_display()}"


class Scope(models.TextChoices):
    """What a token may do at most; its user's role may allow less."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


def default_scopes() -> list[str]:
    """The scopes of a token for which none were asked: reading and writing tasks."""
    return [Scope.READ.value, Scope.WRITE.value]


class ApiToken(TenantModel):
    """A credential of one user in one tenant. Only its SHA-256 digest is kept."""

    user = MemberKey()
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16)
    digest = models.BinaryField(max_length=32)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope), default=default_scopes)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta(TenantModel.Meta):
        abstract = False
        db_table = "api_token"
        verbose_name = "API token"
        constraints = [
            # serves: token_list
            TenantPrimaryKey(name="api_token_tpk"),
            # serves: token_authenticate
            models.UniqueConstraint(fields=["tenant", "digest"], name="api_token_digest_uniq"),
            # serves: token_by_prefix, token_revoke
            models.UniqueConstraint(fields=["tenant", "prefix"], name="api_token_prefix_uniq"),
            member_reference("api_token_user_fk", "user"),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=Scope.values) & Q(scopes__len__gt=0),
                name="api_token_scopes_chk",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__lt=END_OF_TIME),
                name="api_token_expires_chk",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… {self.name}"


class EventKind(models.IntegerChoices):
    """What happened."""

    # Numbers are stored: they are never used again for anything else.
    PROJECT_CREATED = 10, "project created"
    PROJECT_UPDATED = 11, "project updated"
    PROJECT_ARCHIVED = 12, "project archived"
    PROJECT_UNARCHIVED = 13, "project unarchived"
    TASK_CREATED = 20, "task created"
    TASK_UPDATED = 21, "task updated"
    TASK_DELETED = 22, "task deleted"
    TASK_RESTORED = 23, "task restored"
    TASK_IMPORTED = 24, "task imported"
    TASK_LABELLED = 25, "task labelled"
    TASK_UNLABELLED = 26, "task unlabelled"
    COMMENT_ADDED = 30, "comment added"
    COMMENT_EDITED = 31, "comment edited"
    COMMENT_DELETED = 32, "comment deleted"
    DEPENDENCY_ADDED = 40, "dependency added"
    DEPENDENCY_REMOVED = 41, "dependency removed"
    LABEL_CREATED = 50, "label created"
    LABEL_UPDATED = 51, "label updated"
    LABEL_DELETED = 52, "label deleted"
    MEMBER_ADDED = 60, "member added"
    MEMBER_CHANGED = 61, "member changed"
    TOKEN_ISSUED = 70, "token issued"
    TOKEN_REVOKED = 71, "token revoked"
    TENANT_UPDATED = 80, "tenant updated"


class Event(TenantModel):
    """One change, for good: activity log, audit trail and change feed in one.

    `task_id` and `project_id` are plain numbers: history outlives what it tells of.
    """

    xid = TransactionIdField(editable=False)
    task_id = models.BigIntegerField(null=True)
    project_id = models.BigIntegerField(null=True)
    actor = MemberKey(null=True)
    kind = models.SmallIntegerField(choices=EventKind)
    changes = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta(TenantModel.Meta):
        abstract = False
        db_table = "event"
        constraints = [
            TenantPrimaryKey(name="event_tpk"),
            member_reference("event_actor_fk", "actor"),
            models.CheckConstraint(condition=Q(kind__gt=0), name="event_kind_chk"),
        ]
        indexes = [
            # serves: event_feed
            models.Index(fields=["tenant", "xid", "id"], name="event_feed_idx"),
            # serves: task_events
            models.Index(
                fields=["tenant", "task_id", "id"],
                condition=Q(task_id__isnull=False),
                name="event_task_idx",
            ),
            # serves: project_events
            models.Index(
                fields=["tenant", "project_id", "id"],
                condition=Q(task_id__isnull=True) & Q(project_id__isnull=False),
                name="event_project_idx",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.created_at:%Y-%m-%d %H:%M}"


class IdempotencyState(models.IntegerChoices):
    """Whether the first request with a key is still at work or has answered."""

    RUNNING = 0, "running"
    DONE = 1, "done"


class IdempotencyKey(TenantModel):
    """A client's key for one request, with the answer it got, so that a retry gets the same."""

    user = MemberKey()
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    state = models.SmallIntegerField(choices=IdempotencyState, default=IdempotencyState.RUNNING)
    status = models.SmallIntegerField(null=True)
    response = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta(TenantModel.Meta):
        abstract = False
        db_table = "idempotency_key"
        constraints = [
            TenantPrimaryKey(name="idempotency_key_tpk"),
            # serves: key_claim
            models.UniqueConstraint(
                fields=["tenant", "user", "key"], name="idempotency_key_key_uniq"
            ),
            member_reference("idempotency_key_user_fk", "user"),
            models.CheckConstraint(
                condition=~Q(state=IdempotencyState.DONE) | Q(status__isnull=False),
                name="idempotency_key_done_chk",
            ),
        ]

    def __str__(self) -> str:
        return self.key
