"""The OpenAPI document, and two ways to look at it. Public; none of them asks the database."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csp import get_nonce
from django.shortcuts import render
from django.utils.csp import CSP
from django.views.decorators.cache import cache_control
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from rest_framework.request import Request
from rest_framework.views import APIView

from taskproject.api.conditional import is_fresh

MAX_AGE_S: Final = 300
_PUBLIC: Final = f"public, max-age={MAX_AGE_S}"


def generate() -> dict[str, Any]:
    """The document of all addresses of the REST API."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


@functools.cache
def _served() -> tuple[bytes, str]:
    """The document as JSON with its entity tag. It is the same as long as the process runs."""
    body = json.dumps(generate(), ensure_ascii=False, separators=(",", ":")).encode()
    return body, f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'


class DocumentView(APIView):
    """The document. It describes no address but those of tenants, not even its own."""

    schema = None
    http_method_names = ("get", "head")
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def get(self, request: Request) -> HttpResponse:
        body, tag = _served()
        headers = {"ETag": tag, "Cache-Control": _PUBLIC}
        if is_fresh(request, tag):
            return HttpResponse(status=304, headers=headers)
        return HttpResponse(body, headers=headers, content_type="application/json")


@require_safe
@cache_control(public=True, max_age=MAX_AGE_S)
def swagger(request: HttpRequest) -> HttpResponse:
    """Swagger UI: read the document and try the addresses out."""
    return render(request, "documentation/swagger.html")


# Redoc makes style elements as it goes and marks them with the nonce that it is told, but for the
# first two: one is empty, the other is for scroll bars and may change with a release. Its search
# runs in a worker that it makes of a text.
_REDOC_CSP: Final[dict[str, Any]] = {
    **settings.SECURE_CSP,
    "style-src": [
        CSP.SELF,
        CSP.NONCE,
        "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
        "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
    ],
    "worker-src": ["blob:"],
}


@require_safe
@csp_override(_REDOC_CSP)
@cache_control(private=True, no_cache=True)
def redoc(request: HttpRequest) -> HttpResponse:
    """Redoc: the document on one page, to read."""
    return render(request, "documentation/redoc.html", {"nonce": get_nonce(request)})
