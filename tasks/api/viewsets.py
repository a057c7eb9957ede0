"""Tasks over REST."""

from __future__ import annotations

from typing import Any, Final

from django.http import QueryDict
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from taskproject.api.pagination import Page, page_request, paginate
from taskproject.api.parameters import refuse_unknown
from taskproject.api.problems import InvalidParameter
from taskproject.tenancy.api.authentication import identity_of
from tasks.api.serializers import TaskSerializer
from tasks.models import Status, Task
from tasks.selectors import TASK_SORTS, task_list

DEFAULT_SORT: Final = "-created"
PARAMETERS: Final = ("cursor", "limit", "sort", "status")


class TaskViewSet(GenericViewSet[Task]):
    """The tasks of a tenant."""

    serializer_class = TaskSerializer
    queryset = Task.objects.select_related("project", "assignee", "creator")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of tasks, newest first unless `sort=created`; `status=` keeps one status.

        One statement, besides the pool's check.
        """
        query = request.query_params
        refuse_unknown(query, allowed=PARAMETERS)
        sort = query.get("sort", DEFAULT_SORT)
        if sort not in TASK_SORTS:
            raise InvalidParameter(f"sort must be one of {', '.join(TASK_SORTS)}.")
        status = _status(query)
        rows = task_list(status=status).select_related("project", "assignee", "creator")
        binding = {"tenant": identity_of(request).tenant_id, "sort": sort, "status": status}
        page = paginate(rows, TASK_SORTS[sort], page_request(query), binding=binding)
        return self._response(request, page)

    def _response(self, request: Request, page: Page[Task]) -> Response:
        links = {
            "next": _link(request, page.next),
            "previous": _link(request, page.previous),
        }
        body = {"results": self.get_serializer(page.rows, many=True).data, **links}
        header = ", ".join(
            f'<{url}>; rel="{"prev" if name == "previous" else name}"'
            for name, url in links.items()
            if url
        )
        return Response(body, headers={"Link": header} if header else None)


def _status(query: QueryDict) -> Status | None:
    word = query.get("status")
    if word is None:
        return None
    for status in Status:
        if status.label == word:
            return status
    raise InvalidParameter(f"status must be one of {', '.join(Status.labels)}.")


def _link(request: Request, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    query = request.query_params.copy()
    query["cursor"] = cursor
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
