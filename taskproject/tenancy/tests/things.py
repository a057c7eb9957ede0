"""A resource of tenants that stores nothing, to test what comes before a view's work."""

from __future__ import annotations

from typing import Any, Final

from django.urls import path
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from taskproject.db.context import current_tenant_id
from taskproject.tenancy.api.authentication import identity_of
from taskproject.tenancy.api.throttling import RateLimitedView

ALPHA: Final = "/tenants/alpha/things/"
BETA: Final = "/tenants/beta/things/"
ABSENT: Final = "/tenants/absent/things/"


class Things(RateLimitedView, ViewSet):
    """Says who asks; the works done are listed in `done`."""

    done: Final[list[str]] = []

    def list(self, request: Request, **kwargs: Any) -> Response:
        self.done.append("list")
        identity = identity_of(request)
        return Response(
            {
                "tenant": identity.tenant_slug,
                "active": current_tenant_id() == identity.tenant_id,
                "user": request.user.get_username(),
                "role": identity.role,
                "scopes": list(identity.scopes),
                "limited_as": identity.limited_as,
            }
        )

    def create(self, request: Request, **kwargs: Any) -> Response:
        self.done.append("create")
        return Response({}, status=201)

    def update(self, request: Request, **kwargs: Any) -> Response:
        raise ValidationError({"name": "Too short."})

    def destroy(self, request: Request, **kwargs: Any) -> Response:
        raise NotFound


def essence(response: Any) -> tuple[int, bytes, dict[str, str]]:
    """What a client can tell of an answer, without what differs between any two answers."""
    each_time = ("Date", "X-Request-Id", "Server-Timing")
    headers = {name: value for name, value in response.items() if name not in each_time}
    return response.status_code, response.content, headers


urlpatterns = [
    path(
        "tenants/<slug:tenant>/things/",
        Things.as_view({"get": "list", "post": "create", "put": "update", "delete": "destroy"}),
    ),
]
