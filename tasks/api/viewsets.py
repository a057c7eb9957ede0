"""Tasks over REST."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from projects.api.viewsets import PROJECT
from projects.models import Project
from projects.selectors import project_get
from taskproject.db.counting import capped_count
from taskproject.tenancy.api.viewsets import TenantViewSet
from taskproject.tenancy.models import User
from tasks import selectors
from tasks.api.listings import PROJECT_TASKS, TASKS
from tasks.api.parameters import TASK, TASK_ID
from tasks.api.references import TaskReference
from tasks.api.serializers import (
    COUNT_LIMIT,
    CountSerializer,
    ProjectTaskSerializer,
    SummarySerializer,
    TaskChangeSerializer,
    TaskSerializer,
)
from tasks.services import tasks as services
from tasks.services.one_statement import task_create_shown, task_update_shown


class TaskViewSet(TenantViewSet):
    """The tasks of the tenant."""

    serializer_class = TaskSerializer
    listings: ClassVar = {"list": TASKS, "count": TASKS}
    answers: ClassVar = {"count": CountSerializer, "summary": SummarySerializer}
    kept: ClassVar = frozenset({"list", "count", "summary"})
    weak: ClassVar = kept
    personal: ClassVar = frozenset({"summary"})
    places: ClassVar = {**TenantViewSet.places, "task": TASK, "task_id": TASK_ID}

    def get_serializer_class(self) -> Any:
        return TaskChangeSerializer if self.action == "partial_update" else TaskSerializer

    def list(self, request: Request, **kwargs: Any) -> Response:
        """A page of tasks, the newest first unless `sort` says otherwise."""
        return self.listed(TASKS)

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Make a task. It gets the next number of its project."""
        sent = self.sent() or {}
        if (made := self._made_at_once(sent.pop("project", None), sent)) is not None:
            return made
        values = self.valid()
        return self.made(values.pop("project"), values)

    def _made_at_once(self, project_key: str | None, sent: dict[str, Any]) -> Response | None:
        """A task that nothing speaks against, in one statement; None if something might."""
        if project_key is None or not sent or self.projection is None:
            return None
        made = task_create_shown(
            shown_by=self.projection, actor_id=self.actor_id, project_key=project_key, **sent
        )
        return made and self.written(made, status=201, location=self._address(made.task_id))

    def _address(self, task_id: int) -> str:
        return reverse("task-detail", args=[self.kwargs["tenant"], task_id])

    def made(self, project: Project, values: dict[str, Any]) -> Response:
        """Make a task in a project, and show it."""
        assignee: User | None = values.pop("assignee", None)
        task = services.task_create(
            project_id=project.pk,
            actor_id=self.actor_id,
            assignee_id=assignee.pk if assignee else None,
            **values,
        )
        task.project, task.assignee, task.creator = project, assignee, self.request.user
        return self.shown(task, status=201, location=self._address(task.pk))

    def retrieve(self, request: Request, task: TaskReference, **kwargs: Any) -> Response:
        """One task, by its id or its key, such as `WEB-42`."""
        selector, values = task.selector
        return self.found(selector, **values)

    def partial_update(self, request: Request, task: TaskReference, **kwargs: Any) -> Response:
        """Change a task: what is sent, and nothing else.

        `completed_at` is set when the status becomes `done` and cleared when it leaves it.
        """
        sent = self.sent(partial=True)
        if sent and (projection := self.projection) is not None:
            changed_at_once = task_update_shown(
                shown_by=projection,
                actor_id=self.actor_id,
                task=task.selector[1],
                if_version=self.if_version,
                **sent,
            )
            if changed_at_once is not None:
                return self.written(changed_at_once)
        changes = self.valid(partial=True)
        people = {}
        if "assignee" in changes:
            people["assignee"] = assignee = changes.pop("assignee")
            changes["assignee_id"] = assignee.pk if assignee else None
        changed = services.task_update(
            task_id=task.find_id(), actor_id=self.actor_id, if_version=self.if_version, **changes
        )
        for name, person in people.items():
            setattr(changed, name, person)
        return self.shown(changed)

    def destroy(self, request: Request, task: TaskReference, **kwargs: Any) -> Response:
        """Delete a task: it leaves every list but that of the deleted ones, and can be restored."""
        services.task_delete(
            task_id=task.find_id(), actor_id=self.actor_id, if_version=self.if_version
        )
        return Response(status=204)

    def restore(self, request: Request, task_id: int, **kwargs: Any) -> Response:
        """Bring a deleted task back; a live one stays as it is. It is named by its id."""
        return self.shown(services.task_restore(task_id=task_id, actor_id=self.actor_id))

    def count(self, request: Request, **kwargs: Any) -> Response:
        """How many tasks there are with those filters. It stops at 1,000 and says so."""
        choice = TASKS.choose_unordered(request.query_params, actor_id=self.actor_id)
        rows = choice.range.applied(choice.rows(), choice.keyset.columns[0])
        return self.told(_counted(capped_count(rows, limit=COUNT_LIMIT)))

    def summary(self, request: Request, **kwargs: Any) -> Response:
        """How many tasks are in each status, how many open ones are overdue, and how many open ones
        are the caller's. Each number stops at 1,000."""
        numbers = selectors.task_summary(user_id=self.actor_id, limit=COUNT_LIMIT)
        return self.told(
            {
                "status": {status.label: _counted(n) for status, n in numbers.by_status.items()},
                "overdue": _counted(numbers.overdue),
                "mine": _counted(numbers.mine),
            }
        )


class ProjectTaskViewSet(TaskViewSet):
    """The tasks of one project."""

    listings: ClassVar = {"list": PROJECT_TASKS}
    places: ClassVar = {**TenantViewSet.places, "key": PROJECT}

    def get_serializer_class(self) -> Any:
        return ProjectTaskSerializer

    def list(self, request: Request, **kwargs: Any) -> Response:
        """A page of the project's tasks, the newest first unless `sort` says otherwise."""
        key = self.kwargs["key"]
        return self.listed(
            PROJECT_TASKS, place={"project": key}, unless_absent=lambda: project_get(key=key)
        )

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Make a task in the project."""
        made = self._made_at_once(self.kwargs["key"], self.sent() or {})
        if made is not None:
            return made
        values = self.valid()
        return self.made(project_get(key=self.kwargs["key"]), values)


def _counted(number: int) -> dict[str, Any]:
    return {"count": min(number, COUNT_LIMIT), "capped": number > COUNT_LIMIT}
