"""Tasks as JSON."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from tasks.models import Priority, Status, Task


class WordField(serializers.Field):  # type: ignore[type-arg]
    """A choice stored as a number and shown as its word."""

    def __init__(self, choices: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._words = dict(choices.choices)

    def to_representation(self, value: int) -> str:
        return str(self._words[value])


class TaskSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A task in a list. `key` is its name among people, `WEB-42`."""

    key = serializers.SerializerMethodField()
    project = serializers.CharField(source="project.key", read_only=True)
    status = WordField(Status, read_only=True)
    priority = WordField(Priority, read_only=True)
    assignee = serializers.CharField(source="assignee.username", default=None, read_only=True)
    creator = serializers.CharField(source="creator.username", read_only=True)

    class Meta:
        model = Task
        fields = (
            "id",
            "key",
            "project",
            "title",
            "description",
            "status",
            "priority",
            "assignee",
            "creator",
            "due_at",
            "completed_at",
            "external_key",
            "version",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_key(self, task: Task) -> str:
        return f"{task.project.key}-{task.number}"
