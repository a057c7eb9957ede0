"""Each request starts and ends without a tenant."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from taskproject.db.context import no_tenant


class TenantMiddleware:
    """Holds the context in which authentication makes a tenant active, and ends it.

    The thread serves another tenant's request next: nothing of this one's may be left in it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with no_tenant():
            return self._get_response(request)
