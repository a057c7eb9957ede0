"""Error pages: problems for programs, and for people in the web admin a page that says what to do.

The pages carry nothing of the request: that of an absent row is, byte for byte, that of another
tenant's.
"""

from __future__ import annotations

from typing import Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from taskproject.api import failures

_ADMIN: Final = "/admin/"
_TEXTS: Final = {
    400: (
        "That request could not be understood",
        "Go back, check what you entered, and try again.",
    ),
    403: (
        "Your role does not allow this",
        "What you may do in a tenant is said by your role there. An admin of the tenant can give "
        "you another one.",
    ),
    404: (
        "There is no such page",
        "It may have been removed, or it belongs to a tenant that you are no member of.",
    ),
    409: ("Somebody else is changing this", "Nothing was changed. Try again in a moment."),
    413: ("That was too much at once", "A form can carry 4 MB."),
    500: ("Something went wrong here", "The failure has been logged. Nothing was changed."),
    503: ("The database is busy or away", "Nothing was changed. Try again in a moment."),
}

_STALE: Final = (
    "That form was too old",
    "Nothing was changed. You may have logged in again since: reload the page and send it again.",
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handler of 400, and of 413, which Django reports through it."""
    return _for_people(request, failures.bad_request(request, exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handler of 403."""
    return _for_people(request, failures.permission_denied(request, exception))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: a form that was sent from an old page, or from another site."""
    return _for_people(request, failures.permission_denied(request, PermissionDenied()), _STALE)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handler of 404."""
    return _for_people(request, failures.not_found(request, exception))


def server_error(request: HttpRequest) -> HttpResponse:
    """Handler of 500, and of 503 where the database is the cause and may soon be back."""
    return _for_people(request, failures.server_error(request))


def _for_people(
    request: HttpRequest, problem: HttpResponse, text: tuple[str, str] | None = None
) -> HttpResponse:
    """The problem itself, or the same told to a person; the status and Retry-After stay."""
    if not request.path_info.startswith(_ADMIN):
        return problem
    title, advice = text or _TEXTS[problem.status_code]
    page = HttpResponse(
        render_to_string("error.html", {"title": title, "advice": advice}),
        status=problem.status_code,
    )
    if "Retry-After" in problem:
        page["Retry-After"] = problem["Retry-After"]
    return page
