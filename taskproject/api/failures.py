"""What went wrong, as a problem: the hook of the REST views, and Django's own error handlers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DatabaseError, IntegrityError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from psycopg import errors as pg
from psycopg_pool import PoolTimeout, TooManyRequests
from rest_framework import exceptions
from rest_framework.fields import get_error_detail
from rest_framework.response import Response
from rest_framework.views import set_rollback

from taskproject.api import problems
from taskproject.api.problems import RETRY_AFTER_S, problem, problem_response
from taskproject.db.versions import VersionConflict
from taskproject.db.violations import StateConflict, violated_rule

# SQLSTATEs that mean "not now". Each is answered with Retry-After, never as a bare 500.
_UNAVAILABLE: Final[tuple[tuple[type[Exception], str], ...]] = (
    (TooManyRequests, "database-busy"),
    (PoolTimeout, "database-unavailable"),
    (pg.QueryCanceled, "query-timeout"),
    (pg.LockNotAvailable, "locked"),
    (pg.DeadlockDetected, "conflict-retry"),
    (pg.SerializationFailure, "conflict-retry"),
)


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
    if isinstance(known, exceptions.ValidationError):
        return problems.invalid(known.get_full_details(), headers)
    extra: dict[str, Any] = dict(getattr(known, "extra", {}))
    wait_s = getattr(known, "wait", None)
    if wait_s:
        headers["Retry-After"] = str(int(wait_s))
        extra["retry_after"] = int(wait_s)
    codes = known.get_codes()
    code = str(codes) if isinstance(codes, str) else known.default_code
    return problem_response(
        known.status_code, code.replace("_", "-"), str(known.detail), headers, extra
    )


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
    if request.path_info.startswith("/api/") and not request.path_info.endswith("/"):
        return problem(404, "not-found", "Addresses end with a slash.")
    return problem(404, "not-found", str(exceptions.NotFound.default_detail))


def server_error(request: HttpRequest) -> HttpResponse:
    """Handler of 500: 503 with Retry-After when the database is the cause and may soon be back.

    A middleware could not do this: Django turns an exception into a response before each of them.
    """
    error = sys.exc_info()[1]
    code = unavailable_code(error) if error is not None else None
    if code is None:
        return problem(500, "internal-error", "The server failed; the failure has been logged.")
    status, code, detail, headers, extra = _passing(code)
    return problem(status, code, detail, headers=headers, **extra)


def _as_api_exception(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404 | ObjectDoesNotExist):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, VersionConflict):
        return problems.VersionMismatch(" ".join(error.messages))
    if isinstance(error, StateConflict):
        return problems.Conflict(" ".join(error.messages))
    if isinstance(error, DjangoValidationError):
        return exceptions.ValidationError(get_error_detail(error))
    if isinstance(error, IntegrityError):
        violated = violated_rule(error)
        return exceptions.ValidationError(get_error_detail(violated)) if violated else None
    return None


def _database_problem(error: Exception) -> Response | None:
    code = unavailable_code(error) if isinstance(error, DatabaseError) else None
    if code is None:
        return None
    set_rollback()
    return problem_response(*_passing(code))


def _passing(code: str) -> tuple[int, str, str, dict[str, str], dict[str, Any]]:
    """Status, code, detail, headers and further members of the problem of a passing trouble."""
    kind = problems.CATALOGUE[code]
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return kind.status, code, f"{kind.title}.", headers, {"retry_after": RETRY_AFTER_S}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
