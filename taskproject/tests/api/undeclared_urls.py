"""All addresses, and one that nobody has declared."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from taskproject import urls
from taskproject.api.routing import route
from taskproject.tenancy.api.viewsets import TenantViewSet


class SecretViewSet(TenantViewSet):
    """Something new."""

    def list(self, request: Request, **kwargs: Any) -> Response:
        """Nothing yet."""
        return Response({})


urlpatterns = [
    *urls.urlpatterns,
    route("api/v1/tenants/<slug:tenant>/secrets/", SecretViewSet, "secret-list", get="list"),
]
