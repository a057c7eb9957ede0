"""Requests in other charsets are refused before Django decodes them."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from taskproject import wsgi


@pytest.fixture(autouse=True)
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for Django, which would close connections that these tests have none of."""

    def django(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"well"]

    monkeypatch.setattr(wsgi, "_django", django)


def status_of(content_type: str) -> str:
    said: list[str] = []
    environ: dict[str, Any] = {"PATH_INFO": "/livez", "CONTENT_TYPE": content_type}
    setup_testing_defaults(environ)
    environ |= {"wsgi.input": BytesIO(b""), "HTTP_HOST": "localhost"}
    b"".join(wsgi.application(environ, lambda status, headers, exc_info=None: said.append(status)))
    return said[0]


@pytest.mark.parametrize("charset", ["idna", "raw_unicode_escape", "utf-7", "utf-16", "x y"])
def test_another_charset_is_refused(charset: str) -> None:
    assert status_of(f"text/plain; charset={charset}") == "400 Bad Request"


@pytest.mark.parametrize("kind", ["", "application/json", "text/plain; charset=UTF-8", "a/b; x=y"])
def test_utf_8_and_silence_are_taken(kind: str) -> None:
    assert status_of(kind) == "200 OK"
