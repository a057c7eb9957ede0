"""The task and what hangs on it. Each index says which selector it serves."""

from __future__ import annotations

from typing import Final

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Left, Lower, Now

from projects.models import DESCRIPTION_BYTES, Project
from taskproject.db.keys import TenantForeignKey, TenantPrimaryKey, TenantReference
from taskproject.db.values import END_OF_TIME
from taskproject.tenancy.scoping import MemberKey, TenantModel, member_reference

TITLE_LENGTH: Final = 300
# How much of a description is searched, in characters. Over words that are joined by - and _
# PostgreSQL goes again and again: 64 KB of them took it more than 5 s, with the project locked.
SEARCHED_LENGTH: Final = 8 * 1024
COMMENT_BYTES: Final = 16 * 1024
COLOUR_PATTERN: Final = r"^#[0-9a-f]{6}$"


class Status(models.IntegerChoices):
    """Where a task stands. The first three are open."""

    PENDING = 0, "pending"
    ACTIVE = 1, "active"
    BLOCKED = 2, "blocked"
    DONE = 3, "done"
    CANCELLED = 4, "cancelled"


class Priority(models.IntegerChoices):
    """How pressing a task is."""

    LOW = 0, "low"
    NORMAL = 1, "normal"
    HIGH = 2, "high"
    URGENT = 3, "urgent"


LIVE: Final = Q(deleted_at__isnull=True)
OPEN: Final = Q(status__lt=Status.DONE)


class Task(TenantModel):
    """One piece of work, `WEB-42` in its project. Deleted softly: `deleted_at`."""

    project = TenantForeignKey(Project, related_name="tasks")
    number = models.IntegerField(editable=False)
    title = models.CharField(max_length=TITLE_LENGTH)
    description = models.TextField(blank=True, default="")
    status = models.SmallIntegerField(choices=Status, default=Status.PENDING)
    priority = models.SmallIntegerField(choices=Priority, default=Priority.NORMAL)
    assignee = MemberKey(null=True, blank=True)
    creator = MemberKey(editable=False)
    parent = TenantForeignKey("self", null=True, blank=True, related_name="children")
    due_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    external_key = models.CharField(max_length=200, null=True, blank=True)
    version = models.IntegerField(default=1, editable=False)
    search = models.GeneratedField(
        expression=SearchVector("title", weight="A", config="simple")
        + SearchVector(Left("description", SEARCHED_LENGTH), weight="B", config="simple"),
        output_field=SearchVectorField(),
        db_persist=True,
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(TenantModel.Meta):
        abstract = False
        db_table = "task"
        constraints = [
            TenantPrimaryKey(name="task_tpk"),
            # serves: task_by_key, task_id_of, task_list of a project sorted by number
            models.UniqueConstraint(
                fields=["tenant", "project", "number"], name="task_number_uniq"
            ),
            # serves: look, external_keys_taken
            models.UniqueConstraint(
                fields=["tenant", "external_key"],
                condition=Q(external_key__isnull=False),
                name="task_external_key_uniq",
            ),
            TenantReference(name="task_project_fk", field="project"),
            TenantReference(name="task_parent_fk", field="parent"),
            member_reference("task_assignee_fk", "assignee"),
            member_reference("task_creator_fk", "creator"),
            models.CheckConstraint(condition=~Q(title=""), name="task_title_chk"),
            models.CheckConstraint(
                condition=Q(description__bytes__lte=DESCRIPTION_BYTES), name="task_description_chk"
            ),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="task_status_chk"),
            models.CheckConstraint(
                condition=Q(priority__in=Priority.values), name="task_priority_chk"
            ),
            models.CheckConstraint(condition=Q(number__gt=0), name="task_number_chk"),
            models.CheckConstraint(
                condition=Q(due_at__isnull=True) | Q(due_at__lt=END_OF_TIME), name="task_due_chk"
            ),
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")), name="task_parent_chk"
            ),
            models.CheckConstraint(
                condition=Q(status=Status.DONE, completed_at__isnull=False)
                | (~Q(status=Status.DONE) & Q(completed_at__isnull=True)),
                name="task_completed_chk",
            ),
        ]
        indexes = [
            # serves: task_list
            models.Index(
                fields=["tenant", "created_at", "id"], condition=LIVE, name="task_created_idx"
            ),
            # serves: task_list of a status, task_summary
            models.Index(
                fields=["tenant", "status", "created_at", "id"],
                condition=LIVE,
                name="task_status_idx",
            ),
            # serves: task_list of a project
            models.Index(
                fields=["tenant", "project", "created_at", "id"],
                condition=LIVE,
                name="task_project_idx",
            ),
            # serves: task_list of a project and a status, project_has_active_tasks
            models.Index(
                fields=["tenant", "project", "status", "created_at", "id"],
                condition=LIVE,
                name="task_board_idx",
            ),
            # serves: task_list of an assignee
            models.Index(
                fields=["tenant", "assignee", "created_at", "id"],
                condition=LIVE & Q(assignee__isnull=False),
                name="task_assignee_idx",
            ),
            # serves: task_list of an assignee and a status, task_summary
            models.Index(
                fields=["tenant", "assignee", "status", "created_at", "id"],
                condition=LIVE & Q(assignee__isnull=False),
                name="task_work_idx",
            ),
            # serves: tasks_open, task_list of a priority
            models.Index(
                fields=["tenant", "priority", "created_at", "id"],
                condition=LIVE & OPEN,
                name="task_priority_idx",
            ),
            # serves: tasks_due, task_summary
            models.Index(
                fields=["tenant", "due_at", "id"],
                condition=LIVE & OPEN & Q(due_at__isnull=False),
                name="task_due_idx",
            ),
            # serves: task_children, task_list of a parent
            models.Index(
                fields=["tenant", "parent", "created_at", "id"],
                condition=Q(parent__isnull=False),
                name="task_parent_idx",
            ),
            # serves: tasks_deleted
            models.Index(
                fields=["tenant", "deleted_at", "id"],
                condition=Q(deleted_at__isnull=False),
                name="task_deleted_idx",
            ),
            # serves: task_matches; under row-level security nothing reaches it but the function of
            # that name, see docs/indexes.md. In KiB: what is pending is read by each search.
            GinIndex(
                fields=["tenant", "search"], gin_pending_list_limit=512, name="task_search_idx"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Label(TenantModel):
    """A word to group tasks by."""

    name = models.CharField(max_length=50)
    colour = models.CharField(
        max_length=7,
        default="#8a8f98",
        validators=[RegexValidator(COLOUR_PATTERN, "A colour reads #rrggbb, in lower case.")],
    )
    version = models.IntegerField(default=1, db_default=1, editable=False)

    class Meta(TenantModel.Meta):
        abstract = False
        db_table = "label"
        constraints = [
            TenantPrimaryKey(name="label_tpk"),
            # serves: label_list
            models.UniqueConstraint(F("tenant"), Lower("name"), name="label_name_uniq"),
            models.CheckConstraint(condition=~Q(name=""), name="label_name_chk"),
            models.CheckConstraint(
                condition=Q(colour__regex=COLOUR_PATTERN), name="label_colour_chk"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TaskLabel(TenantModel):
    """A label on a task.

    `task_created_at` is a copy of the task's `created_at`, which never changes: an index lists the
    tasks of a label in the order of their making, and can only hold columns of one table.
    """

    task = TenantForeignKey(Task, related_name="task_labels")
    label = TenantForeignKey(Label, related_name="task_labels")
    task_created_at = models.DateTimeField(editable=False)

    class Meta(TenantModel.Meta):
        abstract = False
        db_table = "task_label"
        constraints = [
            TenantPrimaryKey(name="task_label_tpk"),
            # serves: task_labels, task_label_links, tasks_exported
            models.UniqueConstraint(fields=["tenant", "task", "label"], name="task_label_uniq"),
            TenantReference(name="task_label_task_fk", field="task"),
            TenantReference(name="task_label_label_fk", field="label"),
        ]
        indexes = [
            # serves: task_list of a label, label_matches
            models.Index(
                fields=["tenant", "label", "task_created_at", "task"],
                name="task_label_created_idx",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label_id} on {self.task_id}"


class Comment(TenantModel):
    """What a member said about a task."""

    task = TenantForeignKey(Task, related_name="comments")
    author = MemberKey(editable=False)
    body = models.TextField()
    version = models.IntegerField(default=1, db_default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    edited_at = models.DateTimeField(null=True, editable=False)

    class Meta(TenantModel.Meta):
        abstract = False
        db_table = "comment"
        constraints = [
            TenantPrimaryKey(name="comment_tpk"),
            TenantReference(name="comment_task_fk", field="task"),
            member_reference("comment_author_fk", "author"),
            models.CheckConstraint(
                condition=~Q(body="") & Q(body__bytes__lte=COMMENT_BYTES), name="comment_body_chk"
            ),
        ]
        indexes = [
            # serves: task_comments
            models.Index(fields=["tenant", "task", "id"], name="comment_task_idx"),
        ]

    def __str__(self) -> str:
        return self.body[:60]


class Dependency(TenantModel):
    """`blocked` can't be done before `blocker`."""

    blocker = TenantForeignKey(Task, related_name="blocks")
    blocked = TenantForeignKey(Task, related_name="blocked_by")

    class Meta(TenantModel.Meta):
        abstract = False
        db_table = "dependency"
        verbose_name_plural = "dependencies"
        constraints = [
            TenantPrimaryKey(name="dependency_tpk"),
            # serves: task_blocks, dependencies_of, dependency_exists
            models.UniqueConstraint(
                fields=["tenant", "blocker", "blocked"], name="dependency_uniq"
            ),
            TenantReference(name="dependency_blocker_fk", field="blocker"),
            TenantReference(name="dependency_blocked_fk", field="blocked"),
            models.CheckConstraint(condition=~Q(blocker=F("blocked")), name="dependency_self_chk"),
        ]
        indexes = [
            # serves: task_blockers, dependencies_of
            models.Index(fields=["tenant", "blocked", "blocker"], name="dependency_blocked_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.blocker_id} blocks {self.blocked_id}"
