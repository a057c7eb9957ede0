"""Tasks and what hangs on them as JSON."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from rest_framework import serializers

from projects.api.fields import ProjectField
from taskproject.api.fields import IdField, InstantField, StrictSerializer, TextField, WordField
from taskproject.api.included import IncludedRows
from taskproject.api.projection import Links, RowSQL
from taskproject.tenancy.api.fields import MemberField
from taskproject.tenancy.api.serializers import CHANGE_WORDS
from tasks.models import (
    COLOUR_PATTERN,
    TITLE_LENGTH,
    Comment,
    Dependency,
    Label,
    Priority,
    Status,
    Task,
)
from tasks.selectors import label_alone, task_label_links, task_labels
from tasks.services.relations import LABELS_PER_TASK

COUNT_LIMIT: Final = 1_000

CHANGE_WORDS.update(
    status=lambda number: Status(number).label, priority=lambda number: Priority(number).label
)


class TaskKeyField(serializers.Field):  # type: ignore[type-arg]
    """A task's name among people, `WEB-42`."""

    schema: ClassVar = {"type": "string", "pattern": r"^[A-Z][A-Z0-9]{0,9}-[1-9][0-9]*$"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Task) -> str:
        return f"{value.project.key}-{value.number}"

    def to_sql(self, row: RowSQL) -> str:
        return f"{row.name('project', 'key')} || '-' || {row.column('number')}"


class LabelSerializer(StrictSerializer):
    """A label. Two names that differ in case only are one."""

    id = serializers.IntegerField(read_only=True)
    name = TextField(max_length=50)
    colour = TextField(
        pattern=COLOUR_PATTERN,
        required=False,
        error_messages={"invalid": "A colour reads #rrggbb."},
    )
    version = serializers.IntegerField(read_only=True)

    model: ClassVar = Label
    example: ClassVar = {"id": 5, "name": "security", "colour": "#c2410c", "version": 1}


class TaskSerializer(StrictSerializer):
    """A task. `key` is its name among people, `WEB-42`, and never changes."""

    id = serializers.IntegerField(read_only=True)
    key = TaskKeyField(source="*")
    project = ProjectField()
    title = TextField(max_length=TITLE_LENGTH)
    description = TextField(required=False, allow_blank=True)
    status = WordField(Status, required=False)
    priority = WordField(Priority, required=False)
    assignee = MemberField(required=False, allow_null=True)
    creator = MemberField(read_only=True)
    # DRF takes declared fields off the class: its own attribute of this name stays.
    parent = IdField(source="parent_id", required=False, allow_null=True)  # type: ignore[assignment]
    due_at = InstantField(required=False, allow_null=True)
    completed_at = InstantField(read_only=True, allow_null=True)
    external_key = TextField(required=False, allow_null=True, max_length=200)
    version = serializers.IntegerField(read_only=True)
    created_at = InstantField(read_only=True)
    updated_at = InstantField(read_only=True)
    deleted_at = InstantField(read_only=True, allow_null=True)
    labels = IncludedRows(
        LabelSerializer,
        lambda pk: task_labels(task_id=pk),
        Links(
            rows=lambda pk: task_label_links(task_id=pk),
            column="label_id",
            found=lambda pk: label_alone(label_id=pk),
            order="folded",
        ),
        max_length=LABELS_PER_TASK,
    )

    model: ClassVar = Task
    example: ClassVar = {
        "id": 4711,
        "key": "WEB-42",
        "project": "WEB",
        "title": "Let people log in with a passkey",
        "description": "And keep the password for those who have none.",
        "status": "active",
        "priority": "high",
        "assignee": "alice",
        "creator": "bob",
        "parent": None,
        "due_at": "2026-03-31T16:00:00Z",
        "completed_at": None,
        "external_key": "helpdesk-1034",
        "version": 3,
        "created_at": "2026-01-12T08:30:00Z",
        "updated_at": "2026-02-03T14:05:09.120000Z",
        "deleted_at": None,
    }


class TaskChangeSerializer(TaskSerializer):
    """A task that is changed: it stays in its project."""

    project = ProjectField(read_only=True)


class ProjectTaskSerializer(TaskSerializer):
    """A task that is made in the project that the address names."""

    project = ProjectField(read_only=True)


class CommentSerializer(StrictSerializer):
    """What a member said about a task."""

    id = serializers.IntegerField(read_only=True)
    author = MemberField(read_only=True)
    body = TextField()
    version = serializers.IntegerField(read_only=True)
    created_at = InstantField(read_only=True)
    edited_at = InstantField(read_only=True, allow_null=True)

    model: ClassVar = Comment
    example: ClassVar = {
        "id": 815,
        "author": "alice",
        "body": "It works on my machine.",
        "version": 1,
        "created_at": "2026-02-03T14:05:09.120000Z",
        "edited_at": None,
    }


class DependencySerializer(StrictSerializer):
    """`blocked` can't be done before `blocker`: ids, and the names among people."""

    blocker = IdField(source="blocker_id")
    blocker_key = serializers.CharField(read_only=True)
    blocked = serializers.IntegerField(source="blocked_id", read_only=True)
    blocked_key = serializers.CharField(read_only=True)

    model: ClassVar = Dependency
    example: ClassVar = {
        "blocker": 4711,
        "blocker_key": "WEB-42",
        "blocked": 4720,
        "blocked_key": "OPS-7",
    }


class CountSerializer(StrictSerializer):
    """How many there are; `capped` if there are more than that, which nobody counted."""

    count = serializers.IntegerField(read_only=True, min_value=0, max_value=COUNT_LIMIT)
    capped = serializers.BooleanField(read_only=True)

    example: ClassVar = {"count": 217, "capped": False}


class SummarySerializer(StrictSerializer):
    """The tasks in numbers: by the word of their status; open ones that are overdue; open ones of
    the caller."""

    status = serializers.DictField(child=CountSerializer(), read_only=True)
    overdue = CountSerializer(read_only=True)
    mine = CountSerializer(read_only=True)

    example: ClassVar = {
        "status": {
            "pending": {"count": 217, "capped": False},
            "active": {"count": 31, "capped": False},
            "blocked": {"count": 4, "capped": False},
            "done": {"count": 1000, "capped": True},
            "cancelled": {"count": 88, "capped": False},
        },
        "overdue": {"count": 12, "capped": False},
        "mine": {"count": 7, "capped": False},
    }
