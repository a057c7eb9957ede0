"""The WSGI application."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")

_django = get_wsgi_application()
_CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django's application, for requests in UTF-8; 400 for any other charset.

    Django decodes a request with whatever codec of Python its Content-Type names: some make halves
    of surrogate pairs, which nothing can store or show, and `idna` fails before Django can answer.
    """
    _, options = parse_header_parameters(environ.get("CONTENT_TYPE", ""))
    if options.get("charset", "").strip().lower() not in _CHARSETS:
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        start_response("400 Bad Request", headers)
        return [b"A request is read as UTF-8: its Content-Type names another charset.\n"]
    answer: Iterable[bytes] = _django(environ, start_response)
    return answer
