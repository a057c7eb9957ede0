"""The WSGI application."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")

_django = get_wsgi_application()
_CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})
_MAX_TYPE_LENGTH: Final = 256
_ENCODED_PARAMETER: Final = re.compile(r";[^,]*\*")
_NOT_UTF_8: Final = (
    "A request is read as UTF-8: its Content-Type names another charset, or is no type."
)
_ODD_ACCEPT: Final = "The parameters of a type in Accept have no charset of their own."


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django's application, for requests in UTF-8; 400 for any other charset.

    Django decodes a request with whatever codec of Python its Content-Type names: some make halves
    of surrogate pairs, which nothing can store or show, and `idna` fails before Django can answer.
    So does Python's parser over some parameters with a charset of their own (`name*=`, RFC 2231),
    which no type has.
    """
    if not _is_read_as_utf_8(environ.get("CONTENT_TYPE", "")):
        return _refuse(_NOT_UTF_8, environ, start_response)
    if _ENCODED_PARAMETER.search(environ.get("HTTP_ACCEPT", "")):
        return _refuse(_ODD_ACCEPT, environ, start_response)
    answer: Iterable[bytes] = _django(environ, start_response)
    return answer


def _is_read_as_utf_8(content_type: str) -> bool:
    if len(content_type) > _MAX_TYPE_LENGTH or "*" in content_type.partition(";")[2]:
        return False
    _, options = parse_header_parameters(content_type)
    return options.get("charset", "").strip().lower() in _CHARSETS


def _refuse(
    why: str, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    # Imported here, because they read the settings as soon as they are.
    from taskproject import telemetry
    from taskproject.api.problems import problem

    if environ.get("PATH_INFO", "").startswith("/api/"):
        response = problem(400, "bad-request", why)
    else:
        response = HttpResponse(f"{why}\n", status=400, content_type="text/plain")
    wanted = environ.get("HTTP_X_REQUEST_ID")
    response[telemetry.REQUEST_ID_HEADER] = telemetry.request_id(wanted)
    start_response("400 Bad Request", list(response.items()))
    return [response.content]
