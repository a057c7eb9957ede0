"""DRF's dispatch without what it would do anew for each request and find the same.

Renderers, parsers and authenticators of ours keep nothing of a request: one of each serves all.
Nearly every client accepts JSON and says so in one of a few ways, which need no parsing. What a
view declares counts as ever: its classes, permissions, throttles, versioning and schema.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

_JSON: Final = "application/json"
_ACCEPTING_JSON: Final = frozenset({"", "*/*", _JSON, "application/json, */*"})


class Negotiation(DefaultContentNegotiation):
    """DRF's own, with a short way for clients that take JSON or anything."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        accepted = request.META.get("HTTP_ACCEPT", "")
        if accepted in _ACCEPTING_JSON and format_suffix is None:
            first = renderers[0]
            if first.media_type == _JSON and self.settings.URL_FORMAT_OVERRIDE is None:
                return first, _JSON
        return super().select_renderer(request, renderers, format_suffix)


class Unnegotiated(BaseContentNegotiation):
    """For an address that says itself which form its answer has. Problems stay JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class LeanAPIView(APIView):
    """The base of a view set that makes once what has no state."""

    action_map: Any

    def get_renderers(self) -> Any:
        return _made_once(tuple(self.renderer_classes))

    def get_parsers(self) -> Any:
        return _made_once(tuple(self.parser_classes))

    def get_authenticators(self) -> Any:
        return _made_once(tuple(self.authentication_classes))

    def get_content_negotiator(self) -> Any:
        chosen: Any = self.content_negotiation_class
        return _negotiator(chosen)

    @property
    def default_response_headers(self) -> dict[str, str]:
        view: Any = type(self)
        return {"Allow": _allowed(view, tuple(self.action_map))}


@cache
def _made_once(classes: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(each() for each in classes)


@cache
def _negotiator(negotiation_class: Any) -> Any:
    return negotiation_class()


@cache
def _allowed(view: Any, taken: tuple[str, ...]) -> str:
    return ", ".join(name.upper() for name in view.http_method_names if name in taken)
