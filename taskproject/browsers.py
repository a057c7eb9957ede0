"""A short way through the middleware for programs, past what browsers need.

A request of the API that brings a bearer token has no session and no cookie of ours, shows no page
and no file: what Django does about those would take it as long as its own work. Without a token, as
from a person who is logged in, the API is served like any page.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest

from taskproject.api.addresses import API

_BEARER: Final = "bearer "
_loading: Final = threading.local()

Handler = Callable[[HttpRequest], Any]


def brings_token(request: HttpRequest) -> bool:
    """Whether a request is one of the API with a bearer token, good or not."""
    authorization: str = request.META.get("HTTP_AUTHORIZATION", "")
    named = authorization[: len(_BEARER)].lower() == _BEARER
    return named and request.path_info.startswith(API)


class TokensPassBy:
    """Middleware: requests that bring a token go on where `Innermost` stands.

    What stands between the two is left out for them: sessions, CSRF, messages, framing, policies
    for pages, static files. It is Django's own, under its own name, so that its checks find it.
    """

    def __init__(self, get_response: Handler) -> None:
        self._pages = get_response
        self._view: Handler = _loading.innermost

    def __call__(self, request: HttpRequest) -> Any:
        if not brings_token(request):
            return self._pages(request)
        request.get_host()  # raises DisallowedHost, as CommonMiddleware would have it do
        response = self._view(request)
        if not (response.streaming or response.has_header("Content-Length")):
            response.headers["Content-Length"] = str(len(response.content))
        return response


class Innermost:
    """The last middleware, where `TokensPassBy` leads to. Django makes the middleware of a handler
    from the last one to the first, in one thread."""

    def __init__(self, get_response: Handler) -> None:
        _loading.innermost = self._view = get_response

    def __call__(self, request: HttpRequest) -> Any:
        return self._view(request)
