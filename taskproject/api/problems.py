"""Errors as RFC 9457 problem details, also outside of views.

Every error under /api/ is `application/problem+json` with `type`, `title`, `status`, `code`,
`detail`, and where they apply `errors` (each with a JSON pointer), `offered` and `retry_after`. No
answer carries SQL, a table's name or a traceback. `CATALOGUE` has every code there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: the status it comes with, and what it means, for people."""

    status: int
    title: str


CATALOGUE: Final[dict[str, Kind]] = {
    "bad-request": Kind(400, "The request could not be understood"),
    "parse-error": Kind(400, "The body is not what its Content-Type says"),
    "malformed-json": Kind(400, "The body is no JSON that this service takes"),
    "json-too-deep": Kind(400, "The body is nested too deeply"),
    "not-an-object": Kind(400, "The body is no JSON object"),
    "duplicate-key": Kind(400, "A key stands twice in one object of the body"),
    "invalid-number": Kind(400, "A number in the body is not finite, or too large to be exact"),
    "invalid-text": Kind(400, "A text in the body can't be stored"),
    "invalid-parameter": Kind(400, "A query parameter is unknown, repeated or malformed"),
    "invalid-cursor": Kind(400, "The cursor is not one of this list"),
    "unserved-combination": Kind(400, "No index serves these filters in this order"),
    "invalid-header": Kind(400, "A header of the request is malformed"),
    "not-authenticated": Kind(401, "Credentials are missing"),
    "authentication-failed": Kind(401, "The credentials are not good"),
    "permission-denied": Kind(403, "The token's scopes or your role don't allow this"),
    "not-found": Kind(404, "There is no such thing here"),
    "method-not-allowed": Kind(405, "This address does not take that method"),
    "not-acceptable": Kind(406, "The answer can't be given in that form"),
    "state-conflict": Kind(409, "The state of other rows forbids this"),
    "duplicate": Kind(409, "Something with this value exists already"),
    "locked": Kind(409, "Another request holds what this one needs"),
    "feed-restarted": Kind(410, "The feed has begun anew"),
    "length-required": Kind(411, "The body comes without its length"),
    "version-conflict": Kind(412, "It has been changed since you read it"),
    "content-too-large": Kind(413, "The body is too large"),
    "unsupported-media-type": Kind(415, "The body must be JSON"),
    "validation": Kind(422, "Some of the values are not valid"),
    "idempotency-key-reused": Kind(422, "The key was given to another request before"),
    "too-many-matches": Kind(422, "The question matches more rows than can be sorted"),
    "rate-limited": Kind(429, "Too many requests"),
    "throttled": Kind(429, "Too many requests"),
    "internal-error": Kind(500, "The server failed"),
    "database-busy": Kind(503, "Too many requests wait for the database"),
    "database-unavailable": Kind(503, "The database can't be reached right now"),
    "query-timeout": Kind(503, "The database took too long over this request"),
    "conflict-retry": Kind(503, "Another request changed the same rows at the same time"),
}


class InvalidParameter(exceptions.APIException):
    """400: a query parameter is unknown, repeated or malformed."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "invalid-parameter"


class InvalidHeader(exceptions.APIException):
    """400: a header of the request is malformed."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "invalid-header"


class UnservedCombination(exceptions.APIException):
    """400: no index serves these filters in this order; `offered` says what is served."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "unserved-combination"

    def __init__(self, detail: str, *, offered: list[dict[str, list[str]]]) -> None:
        super().__init__(detail)
        self.extra = {"offered": offered}


class RateLimited(exceptions.Throttled):
    """429: a token, a person or a whole tenant has sent too many requests."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS
    default_code = "rate-limited"
    default_detail = "Too many requests."


class InFlight(exceptions.APIException):
    """409: another request with the same idempotency key is at work."""

    status_code = HTTPStatus.CONFLICT
    default_code = "locked"
    default_detail = "A request with this Idempotency-Key is at work. Ask again for its answer."
    wait = RETRY_AFTER_S


class KeyTaken(exceptions.APIException):
    """422: the idempotency key was given to another request before."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "idempotency-key-reused"
    default_detail = "Another request had this Idempotency-Key before. Give each request its own."


class FeedRestarted(exceptions.APIException):
    """410: the database has begun a new life, in which the feed's places mean nothing."""

    status_code = HTTPStatus.GONE
    default_code = "feed-restarted"
    default_detail = (
        "The database was restored or failed over since: read the lists again, then follow the"
        " feed from after=now."
    )


class Conflict(exceptions.APIException):
    """409: well-formed, and the state of other rows forbids it."""

    status_code = HTTPStatus.CONFLICT
    default_code = "state-conflict"


class VersionMismatch(exceptions.APIException):
    """412: the row is no longer at the version that If-Match names."""

    status_code = HTTPStatus.PRECONDITION_FAILED
    default_code = "version-conflict"


def body(status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """The members of a problem; `extra` are further ones."""
    kind = CATALOGUE.get(code)
    return {
        "type": f"/problems/{code}",
        "title": kind.title if kind else HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **extra,
    }


def problem(
    status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **extra: Any
) -> HttpResponse:
    """One problem as a response. `extra` are further members of the body."""
    response = HttpResponse(
        # Without blanks, as DRF writes it: the two can't be told apart.
        json.dumps(body(status, code, detail, **extra), ensure_ascii=False, separators=(",", ":")),
        status=status,
        content_type=MEDIA_TYPE,
    )
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def problem_response(
    status: int, code: str, detail: str, headers: dict[str, str], extra: dict[str, Any]
) -> Response:
    """One problem as a response of a REST view."""
    return Response(
        body(status, code, detail, **extra),
        status=status,
        headers=headers,
        content_type=MEDIA_TYPE,
    )


def invalid(details: Any, headers: dict[str, str]) -> Response:
    """422 for values that are not valid, or 409 if all that is wrong is that they are taken.

    `details` are those of DRF's `ValidationError.get_full_details()`.
    """
    errors = list(_field_errors(details, ""))
    codes = {each["code"] for each in errors}
    if codes == {"unique"}:
        detail = "Another row has such a value already; see errors."
        return problem_response(409, "duplicate", detail, headers, {"errors": errors})
    if codes == {"too-many-matches"}:
        return problem_response(422, "too-many-matches", errors[0]["detail"], headers, {})
    detail = "Some of the values are not valid; see errors."
    return problem_response(422, "validation", detail, headers, {"errors": errors})


# Where DRF and Django put errors that belong to no single field.
_WHOLE: Final = frozenset({"non_field_errors", NON_FIELD_ERRORS})


def _field_errors(details: Any, pointer: str) -> Iterator[dict[str, str]]:
    """Flatten DRF's nested details into pointers: {"items": [{"title": …}]} → /items/0/title."""
    if _is_leaf(details):
        yield {
            "pointer": pointer,  # empty for the whole body (RFC 6901)
            "code": details["code"],
            "detail": str(details["message"]),
        }
    elif isinstance(details, dict):
        for name, inner in details.items():
            step = "" if name in _WHOLE else json_pointer(name)
            yield from _field_errors(inner, pointer + step)
    elif isinstance(details, list):
        leaves = all(_is_leaf(each) for each in details)
        for index, inner in enumerate(details):
            yield from _field_errors(inner, pointer if leaves else f"{pointer}/{index}")


def json_pointer(*path: object) -> str:
    """The place of a value in a body (RFC 6901)."""
    steps = (str(each).replace("~", "~0").replace("/", "~1") for each in path)
    return "".join(f"/{each}" for each in steps)


def _is_leaf(details: Any) -> bool:
    # Two fields may be called message and code: what stands in them is a list.
    return (
        isinstance(details, dict)
        and set(details) == {"message", "code"}
        and isinstance(details["message"], str)
    )
