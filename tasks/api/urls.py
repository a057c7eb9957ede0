"""Addresses of tasks and what hangs on them, below /api/v1/tenants/<tenant>/."""

from __future__ import annotations

from django.urls import register_converter

from taskproject.api.routing import route
from tasks.api.batches import TaskBatchViewSet
from tasks.api.exports import TaskExportViewSet
from tasks.api.projects import ProjectArchiveViewSet
from tasks.api.references import TaskReferenceConverter
from tasks.api.relations import (
    CommentViewSet,
    DependencyViewSet,
    LabelViewSet,
    TaskEventViewSet,
    TaskLabelViewSet,
)
from tasks.api.viewsets import ProjectTaskViewSet, TaskViewSet

register_converter(TaskReferenceConverter, "task")

_CHANGE = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    route("tasks/", TaskViewSet, "task-list", get="list", post="create"),
    route("tasks/count/", TaskViewSet, "task-count", get="count"),
    route("tasks/summary/", TaskViewSet, "task-summary", get="summary"),
    *(
        route(f"tasks/bulk/{name}/", TaskBatchViewSet, f"task-batch-{name}", post=f"bulk_{name}")
        for name in ("create", "update", "delete", "upsert")
    ),
    route("tasks.ndjson", TaskExportViewSet, "task-export-ndjson", get="ndjson"),
    route("tasks.csv", TaskExportViewSet, "task-export-csv", get="csv"),
    route("tasks/<task:task>/", TaskViewSet, "task-detail", **_CHANGE),
    route("tasks/<int:task_id>/restore/", TaskViewSet, "task-restore", post="restore"),
    route("tasks/<task:task>/labels/", TaskLabelViewSet, "task-label-list", get="list"),
    route(
        "tasks/<task:task>/labels/<int:label_id>/",
        TaskLabelViewSet,
        "task-label-detail",
        put="update",
        delete="destroy",
    ),
    route("tasks/<task:task>/comments/", CommentViewSet, "comment-list", get="list", post="create"),
    route(
        "tasks/<task:task>/comments/<int:comment_id>/", CommentViewSet, "comment-detail", **_CHANGE
    ),
    route(
        "tasks/<task:task>/dependencies/",
        DependencyViewSet,
        "dependency-list",
        get="list",
        post="create",
    ),
    route(
        "tasks/<task:task>/dependencies/<int:blocker_id>/",
        DependencyViewSet,
        "dependency-detail",
        delete="destroy",
    ),
    route("tasks/<task:task>/events/", TaskEventViewSet, "task-event-list", get="list"),
    route("labels/", LabelViewSet, "label-list", get="list", post="create"),
    route("labels/<int:label_id>/", LabelViewSet, "label-detail", **_CHANGE),
    route(
        "projects/<str:key>/tasks/",
        ProjectTaskViewSet,
        "project-task-list",
        get="list",
        post="create",
    ),
    route("projects/<str:key>/archive/", ProjectArchiveViewSet, "project-archive", post="archive"),
    route(
        "projects/<str:key>/unarchive/",
        ProjectArchiveViewSet,
        "project-unarchive",
        post="unarchive",
    ),
]
