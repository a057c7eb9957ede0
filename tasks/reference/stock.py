"""Tasks as a ModelViewSet, a ModelSerializer and CursorPagination show them.

Who may ask, how often, in which tenant, and what a change leaves behind is as in the REST API, by
the same code: only the path from the request to the rows and back is DRF's own.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from rest_framework import serializers
from rest_framework.pagination import BasePagination, CursorPagination, LimitOffsetPagination
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from projects.models import Project
from projects.services import numbers_take
from taskproject.api.fields import WordField
from taskproject.db.versions import save_next_version
from taskproject.tenancy.api.authentication import identity_of
from taskproject.tenancy.api.throttling import RateLimitedView
from taskproject.tenancy.models import EventKind, User
from taskproject.tenancy.services import event_append
from tasks.models import LIVE, Priority, Status, Task


class StockTaskSerializer(serializers.ModelSerializer[Task]):
    """The members of a task in the REST API."""

    key = serializers.SerializerMethodField()
    project = serializers.SlugRelatedField(slug_field="key", queryset=Project.objects.all())
    status = WordField(Status, required=False)
    priority = WordField(Priority, required=False)
    assignee = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.all(), required=False, allow_null=True
    )
    creator: serializers.SlugRelatedField[User] = serializers.SlugRelatedField(
        slug_field="username", read_only=True
    )

    class Meta:
        model = Task
        fields: ClassVar = [
            "id",
            "key",
            "project",
            "title",
            "description",
            "status",
            "priority",
            "assignee",
            "creator",
            "parent",
            "due_at",
            "completed_at",
            "external_key",
            "version",
            "created_at",
            "updated_at",
            "deleted_at",
        ]

    def get_key(self, task: Task) -> str:
        return f"{task.project.key}-{task.number}"


class StockPagination(CursorPagination):
    """Fifty tasks, or `limit`, the newest first."""

    page_size = 50
    page_size_query_param = "limit"
    ordering = ("-created_at", "-id")


class StockTaskViewSet(RateLimitedView, ModelViewSet[Task]):
    """The tasks of the tenant."""

    queryset = Task.objects.filter(LIVE).select_related("project", "assignee", "creator")
    serializer_class = StockTaskSerializer
    pagination_class: type[BasePagination] = StockPagination
    parser_classes = (JSONParser,)
    renderer_classes = (JSONRenderer,)

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        if self.request.method in SAFE_METHODS:
            return rows
        return rows.select_for_update(no_key=True, of=("self",))

    @transaction.atomic
    def create(self, *args: Any, **kwargs: Any) -> Any:
        return super().create(*args, **kwargs)

    @transaction.atomic
    def create_many(self, request: Any, **kwargs: Any) -> Response:
        """Tasks by a serializer with `many=True`."""
        serializer: Any = self.get_serializer(data=request.data, many=True)
        serializer.is_valid(raise_exception=True)
        made = [self._made(serializer.child, each) for each in serializer.validated_data]
        return Response(self.get_serializer(made, many=True).data, status=201)

    @transaction.atomic
    def update(self, *args: Any, **kwargs: Any) -> Any:
        return super().update(*args, **kwargs)

    def perform_create(self, serializer: Any) -> None:
        serializer.instance = self._made(serializer, serializer.validated_data)

    def _made(self, serializer: Any, values: dict[str, Any]) -> Task:
        number = numbers_take(project_id=values["project"].pk)
        task: Task = serializer.create({**values, "creator": self.request.user, "number": number})
        changes = {"title": task.title, "status": Status(task.status).label}
        self._record(EventKind.TASK_CREATED, task, changes)
        return task

    def perform_update(self, serializer: Any) -> None:
        task = serializer.instance
        sent = serializer.validated_data
        changes = {name: [getattr(task, name), value] for name, value in sent.items()}
        for name, value in sent.items():
            setattr(task, name, value)
        save_next_version(task, [*sent, "updated_at"])
        self._record(EventKind.TASK_UPDATED, task, changes)

    def _record(self, kind: EventKind, task: Task, changes: dict[str, Any]) -> None:
        event_append(
            kind,
            actor_id=identity_of(self.request).user_id,
            task_id=task.pk,
            project_id=task.project_id,
            changes=changes,
        )


class StockOffsetTaskViewSet(StockTaskViewSet):
    """The same by LIMIT and OFFSET, and with their number, as DRF's other paginations have it."""

    queryset = StockTaskViewSet.queryset.order_by("-created_at", "-id")
    pagination_class = LimitOffsetPagination
