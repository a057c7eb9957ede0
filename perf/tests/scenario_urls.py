"""A service of a few rows, for scenarios of the tests."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path


def _rows(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"rows": [1, 2, 3], "who": request.headers.get("X-Who", "")})


def _row(request: HttpRequest, number: int) -> HttpResponse:
    if number > 3:
        return HttpResponse("There is no such row.", status=404)
    return JsonResponse({"number": number, "sent": request.body.decode()})


def _stream(request: HttpRequest) -> Any:
    return StreamingHttpResponse(iter([b"one ", b"two"]))


urlpatterns = [
    path("rows/", _rows),
    path("rows/<int:number>/", _row),
    path("stream/", _stream),
]
