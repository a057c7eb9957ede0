"""A body must say how long it is: a middleware for what a server can't tell from no body."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from taskproject.api.problems import problem


class LengthRequired:
    """Middleware: 411 for a body whose length no header tells.

    Django takes such a body for an empty one, and an action that needs no body would run. It can't
    be read to its end instead: the web server hands over a stream that breaks off, or that is no
    proper chunk at all, as one that has ended.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if _comes_without_length(request):
            detail = "Say the length of the body in Content-Length; it can't come in chunks."
            return problem(HTTPStatus.LENGTH_REQUIRED, "length-required", detail)
        return self._get_response(request)


def _comes_without_length(request: HttpRequest) -> bool:
    # In HTTP/1.1 such a body is sent in chunks, which a header says. The server speaks nothing
    # later, where only reading would tell.
    return "HTTP_TRANSFER_ENCODING" in request.META
