"""Errors as RFC 9457 problem details, also outside of views.

Every error under /api/ is `application/problem+json` with `type`, `title`, `status`, `code`,
`detail`, and where they apply `errors` (each with a JSON pointer) and `retry_after`. No answer
carries SQL, a table's name or a traceback.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DatabaseError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from psycopg import errors as pg
from psycopg_pool import PoolTimeout, TooManyRequests
from rest_framework import exceptions
from rest_framework.fields import get_error_detail
from rest_framework.response import Response
from rest_framework.views import set_rollback

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1

# SQLSTATEs that mean "not now". Each is answered 503 with Retry-After, never as a bare 500.
_UNAVAILABLE: Final[tuple[tuple[type[Exception], str], ...]] = (
    (TooManyRequests, "database-busy"),
    (PoolTimeout, "database-unavailable"),
    (pg.QueryCanceled, "query-timeout"),
    (pg.LockNotAvailable, "locked"),
    (pg.DeadlockDetected, "conflict-retry"),
    (pg.SerializationFailure, "conflict-retry"),
)
_DETAILS: Final = {
    "database-busy": "Too many requests wait for the database.",
    "database-unavailable": "The database can't be reached right now.",
    "query-timeout": "The database took too long over this request.",
    "locked": "Another request holds what this one needs.",
    "conflict-retry": "Another request changed the same rows at the same time.",
}


class InvalidParameter(exceptions.APIException):
    """400: a query parameter is unknown, repeated or malformed."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "invalid-parameter"


def problem(
    status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **extra: Any
) -> HttpResponse:
    """One problem as a response. `extra` are further members of the body."""
    response = HttpResponse(
        # Without blanks, as DRF writes it: the two can't be told apart.
        json.dumps(_body(status, code, detail, **extra), ensure_ascii=False, separators=(",", ":")),
        status=status,
        content_type=MEDIA_TYPE,
    )
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def unavailable_code(error: BaseException) -> str | None:
    """Which passing trouble of the database an error is; None if it is anything else."""
    for cause in _causes(error):
        for kind, code in _UNAVAILABLE:
            if isinstance(cause, kind):
                return code
    if isinstance(error, OperationalError):
        return "database-unavailable"
    return None


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: a problem for each error it knows; None lets `server_error` answer."""
    known = _as_api_exception(error)
    if known is None:
        return _database_problem(error)
    set_rollback()
    headers = {}
    if isinstance(known, exceptions.AuthenticationFailed | exceptions.NotAuthenticated):
        headers["WWW-Authenticate"] = getattr(known, "auth_header", "Bearer")
    wait_s = getattr(known, "wait", None)
    extra: dict[str, Any] = {}
    if wait_s:
        headers["Retry-After"] = str(int(wait_s))
        extra["retry_after"] = int(wait_s)
    if isinstance(known, exceptions.ValidationError):
        extra["errors"] = list(_field_errors(known.get_full_details(), ""))
        return _response(HTTPStatus.UNPROCESSABLE_ENTITY, "validation", _VALIDATION, headers, extra)
    codes = known.get_codes()
    code = str(codes) if isinstance(codes, str) else known.default_code
    return _response(known.status_code, code.replace("_", "-"), str(known.detail), headers, extra)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handler of 400, and of 413, which Django reports through it."""
    if isinstance(exception, RequestDataTooBig):
        return problem(413, "content-too-large", "The body of the request is too large.")
    return problem(400, "bad-request", "The request could not be understood.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handler of 403."""
    return problem(403, "permission-denied", "You may not do this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Handler of 404. The same body as for a tenant or task that is absent or another's."""
    return problem(404, "not-found", str(exceptions.NotFound.default_detail))


def server_error(request: HttpRequest) -> HttpResponse:
    """Handler of 500: 503 with Retry-After when the database is the cause and may soon be back.

    A middleware could not do this: Django turns an exception into a response before each of them.
    """
    error = sys.exc_info()[1]
    code = unavailable_code(error) if error is not None else None
    if code is None:
        return problem(500, "internal-error", "The server failed; the failure has been logged.")
    return problem(
        503,
        code,
        _DETAILS[code],
        headers={"Retry-After": str(RETRY_AFTER_S)},
        retry_after=RETRY_AFTER_S,
    )


_VALIDATION: Final = "Some of the values are not valid; see errors."


def _body(status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    return {
        "type": f"/problems/{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **extra,
    }


def _response(
    status: int, code: str, detail: str, headers: dict[str, str], extra: dict[str, Any]
) -> Response:
    return Response(
        _body(status, code, detail, **extra),
        status=status,
        headers=headers,
        content_type=MEDIA_TYPE,
    )


def _as_api_exception(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, DjangoValidationError):
        return exceptions.ValidationError(get_error_detail(error))
    return None


def _database_problem(error: Exception) -> Response | None:
    code = unavailable_code(error) if isinstance(error, DatabaseError) else None
    if code is None:
        return None
    set_rollback()
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return _response(503, code, _DETAILS[code], headers, {"retry_after": RETRY_AFTER_S})


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


# Where DRF and Django put errors that belong to no single field.
_WHOLE: Final = frozenset({"non_field_errors", NON_FIELD_ERRORS})


def _field_errors(details: Any, pointer: str) -> Iterator[dict[str, str]]:
    """Flatten DRF's nested details into pointers: {"items": [{"title": …}]} → /items/0/title."""
    if _is_leaf(details):
        yield {
            "pointer": pointer or "/",
            "code": details["code"],
            "detail": str(details["message"]),
        }
    elif isinstance(details, dict):
        for name, inner in details.items():
            step = "" if name in _WHOLE else f"/{str(name).replace('~', '~0').replace('/', '~1')}"
            yield from _field_errors(inner, pointer + step)
    elif isinstance(details, list):
        leaves = all(_is_leaf(each) for each in details)
        for index, inner in enumerate(details):
            yield from _field_errors(inner, pointer if leaves else f"{pointer}/{index}")


def _is_leaf(details: Any) -> bool:
    # Two fields may be called message and code: what stands in them is a list.
    return (
        isinstance(details, dict)
        and set(details) == {"message", "code"}
        and isinstance(details["message"], str)
    )
