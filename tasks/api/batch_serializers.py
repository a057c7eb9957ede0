"""What batches of tasks take, and what they answer. `schema_name` is for the OpenAPI document."""

from __future__ import annotations

from typing import ClassVar, Final

from rest_framework import serializers

from taskproject.api.fields import IdField, StrictSerializer, TextField
from taskproject.api.items import IdsField, ItemsField, PartField
from tasks.api.serializers import TaskSerializer

MODES: Final = ("atomic", "partial")


class BatchTaskSerializer(TaskSerializer):
    """A task among others that are made or changed: its project and people by name, which are
    looked up for all of them at once."""

    schema_name: ClassVar = "BatchTask"

    project = TextField(max_length=10)  # type: ignore[assignment]
    assignee = TextField(  # type: ignore[assignment]
        required=False, allow_null=True, max_length=150
    )


class BatchTaskChangeSerializer(BatchTaskSerializer):
    """What changes about a task among others: it stays in its project."""

    schema_name: ClassVar = "BatchTaskChange"

    project = TextField(read_only=True)


class UpsertedTaskSerializer(BatchTaskSerializer):
    """A task that is made, or changed if its `external_key` is there."""

    schema_name: ClassVar = "UpsertedTask"

    external_key = TextField(max_length=200)


class TaskVersionSerializer(StrictSerializer):
    """A task by its id, and the version that it must still be at, if one is given."""

    schema_name: ClassVar = "TaskVersion"

    id = IdField()
    version = IdField(required=False)  # a whole number from 1 on, like an id


class TaskChangeItemSerializer(TaskVersionSerializer):
    """The task and what changes about it: what `set` names, and nothing else."""

    schema_name: ClassVar = "TaskChangeItem"

    set = PartField(BatchTaskChangeSerializer)


_NEW: Final = {"project": "WEB", "title": "Let people log in with a passkey", "assignee": "alice"}


class _BatchSerializer(StrictSerializer):
    mode = serializers.ChoiceField(MODES, default="atomic")


class TaskCreationSerializer(_BatchSerializer):
    """Tasks to make. In the mode `atomic` all of them are made or none, in `partial` those that are
    good."""

    schema_name: ClassVar = "TasksToCreate"
    example: ClassVar = {"mode": "atomic", "items": [_NEW]}

    items = ItemsField(BatchTaskSerializer)


class TaskUpsertSerializer(_BatchSerializer):
    """Tasks to make, or to change where their `external_key` is there: what each names."""

    schema_name: ClassVar = "TasksToUpsert"
    example: ClassVar = {"mode": "atomic", "items": [{**_NEW, "external_key": "helpdesk-1034"}]}

    items = ItemsField(UpsertedTaskSerializer)


class TaskUpdateSerializer(_BatchSerializer):
    """Changes of tasks: `items`, each with a change of its own, or `ids` and one `set` for all."""

    schema_name: ClassVar = "TasksToUpdate"
    example: ClassVar = {
        "mode": "partial",
        "items": [{"id": 4711, "version": 3, "set": {"status": "done"}}],
    }

    items = ItemsField(TaskChangeItemSerializer, required=False)
    ids = IdsField(required=False, write_only=True)
    set = PartField(BatchTaskChangeSerializer, required=False)


class TaskDeletionSerializer(_BatchSerializer):
    """Tasks to delete: `items`, with the versions that were seen, or only `ids`."""

    schema_name: ClassVar = "TasksToDelete"
    example: ClassVar = {"mode": "atomic", "ids": [4711, 4720]}

    items = ItemsField(TaskVersionSerializer, required=False)
    ids = IdsField(required=False, write_only=True)


class BatchResultsField(serializers.Field):  # type: ignore[type-arg]
    """What became of each item: the task and its version now, or the problem."""

    schema: ClassVar = {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "index": {"type": "integer", "minimum": 0},
                "status": {"type": "integer", "enum": [200, 201, 404, 409, 412, 422]},
                "id": {"type": "integer"},
                "key": {"type": "string"},
                "version": {"type": "integer"},
                "problem": {"$ref": "#/components/schemas/Problem"},
            },
            "required": ["index", "status"],
        },
    }


class BatchAnswerSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """How many items are done and how many are not, and each, in the order of the request."""

    done = serializers.IntegerField(read_only=True, min_value=0)
    failed = serializers.IntegerField(read_only=True, min_value=0)
    results = BatchResultsField(read_only=True)

    example: ClassVar = {
        "done": 1,
        "failed": 0,
        "results": [{"index": 0, "status": 200, "id": 4711, "version": 4}],
    }


class BatchCreationAnswerSerializer(BatchAnswerSerializer):
    """The same of tasks that were made, each with its key."""

    example: ClassVar = {
        "done": 1,
        "failed": 0,
        "results": [{"index": 0, "status": 201, "id": 4711, "key": "WEB-42", "version": 1}],
    }
