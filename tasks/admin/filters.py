"""The filters of the list of tasks. Which of them stand together is said by `TaskAdmin`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from taskproject.tenancy.webadmin.filters import ChoiceFilter, RelatedFilter
from tasks import selectors
from tasks.models import Status, Task, TaskLabel


class ShownFilter(ChoiceFilter):
    """Live tasks, or one of the lists that have an order of their own."""

    title = "list"
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("overdue", "Overdue"), ("due", "By due date"), ("deleted", "Deleted")]

    def narrow(self, rows: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        if value == "overdue":
            return rows & selectors.tasks_due(before=timezone.now())
        if value == "due":
            return rows & selectors.tasks_due()
        if value == "deleted":
            return rows & selectors.tasks_deleted()
        return rows & selectors.task_list()


class StatusFilter(ChoiceFilter):
    """Tasks of one status."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), label) for value, label in Status.choices]

    def narrow(self, rows: QuerySet[Any], value: str | None) -> QuerySet[Any]:
        return rows if value is None else rows.filter(status=int(value))


class ProjectFilter(RelatedFilter):
    """Tasks of one project."""

    title = "project"
    parameter_name = "project"
    source = (Task, "project")


class AssigneeFilter(RelatedFilter):
    """Tasks of one member."""

    title = "assignee"
    parameter_name = "assignee"
    source = (Task, "assignee")

    def shortcuts(self, changelist: Any) -> Iterator[dict[str, Any]]:
        mine = str(self.request.user.pk)
        yield {
            "display": "Mine",
            "query_string": changelist.get_query_string({self.parameter_name: mine}),
            "selected": self.row is not None and str(self.row.pk) == mine,
        }


class LabelFilter(RelatedFilter):
    """Tasks that carry a label."""

    title = "label"
    parameter_name = "label"
    source = (TaskLabel, "label")

    def narrow(self, rows: QuerySet[Any], row: Any) -> QuerySet[Any]:
        return selectors.task_list(label_id=row.pk)
