"""What each request did: its id, a line in the log, times in its answer; and logs without secrets.

Imports nothing of the project, so that whatever else is broken can still be logged.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.core.signals import request_finished
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.encoding import escape_uri_path

logger = logging.getLogger("taskproject.access")

REQUEST_ID_HEADER: Final = "X-Request-Id"
UNLOGGED: Final = frozenset({"/livez", "/readyz"})
_MAX_PATH_LENGTH: Final = 500
_ACCEPTED_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """The id of the request that this thread works for; empty outside of requests."""
    return _request_id.get()


def request_id(wanted: str | None) -> str:
    """The id that a client asks for if it is fit to stand in logs, else a new one."""
    return wanted if wanted and _ACCEPTED_ID.fullmatch(wanted) else os.urandom(16).hex()


@dataclass(slots=True)
class Statements:
    """Counts and times what runs through a connection: an execute wrapper of Django's.

    What psycopg sends by itself is not among it (the pool's check, BEGIN, COMMIT), nor is the wait
    for a connection.
    """

    count: int = 0
    seconds: float = 0.0

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        start = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.count += 1
            self.seconds += time.perf_counter() - start


class TelemetryMiddleware:
    """The outermost middleware: gives each request an id, and says what it did when it is answered.

    A streaming response is answered when its headers are known: what its body takes later is not
    in the line. Opens no connection. Nothing that goes wrong with a log reaches the request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        start = time.perf_counter()
        # Stays until the request is finished, which is after this middleware: Django logs errors
        # and streams bodies in between.
        _request_id.set(request_id(request.META.get("HTTP_X_REQUEST_ID")))
        statements = Statements()
        with connections["default"].execute_wrapper(statements):
            response = self._get_response(request)
        seconds = time.perf_counter() - start
        response[REQUEST_ID_HEADER] = current_request_id()
        if settings.SERVER_TIMING:
            response["Server-Timing"] = _server_timing(statements, seconds)
        if request.path not in UNLOGGED:
            with suppress(Exception):
                _log(request, response.status_code, statements, seconds)
        return response


def _forget_request(**kwargs: Any) -> None:
    _request_id.set("")


request_finished.connect(_forget_request, dispatch_uid="taskproject.telemetry")


def _server_timing(statements: Statements, seconds: float) -> str:
    database = f'db;dur={_ms(statements.seconds)};desc="{statements.count} statements"'
    return f"{database}, total;dur={_ms(seconds)}"


def _log(request: HttpRequest, status: int, statements: Statements, seconds: float) -> None:
    """One line. Neither the query string nor a header: both may hold what is nobody's business."""
    tenant, user = _who(request)
    access = {
        "method": request.method,
        # Escaped, because an address may hold line breaks.
        "path": escape_uri_path(request.path)[:_MAX_PATH_LENGTH],
        "status": status,
        "duration_ms": _ms(seconds),
        "statements": statements.count,
        "database_ms": _ms(statements.seconds),
        "tenant": tenant,
        "user": user,
    }
    level = logging.WARNING if status >= 500 else logging.INFO
    shown = {name: "-" if value is None else value for name, value in access.items()}
    if logger.isEnabledFor(level):
        # Without a look at the stack for the caller, who is always this function.
        entry = logger.makeRecord(
            logger.name, level, __file__, 0, _LINE, (shown,), None, extra={"access": access}
        )
        logger.handle(entry)


_LINE: Final = (
    "%(method)s %(path)s %(status)s in %(duration_ms)s ms, "
    "%(statements)s statements in %(database_ms)s ms, tenant %(tenant)s, user %(user)s"
)


def _who(request: HttpRequest) -> tuple[str | None, int | None]:
    """Slug of the tenant and id of the user, where authentication or a page has found them out.

    Asks the database nothing: a session's user is fetched only if somebody has wanted it before.
    """
    identity = getattr(request, "auth", None)  # set by DRF
    if identity is not None:
        return getattr(identity, "tenant_slug", None), getattr(identity, "user_id", None)
    membership = getattr(request, "membership", None)  # set by the web admin, with its tenant
    user = getattr(request, "_cached_user", None)  # set by Django, with the session's user
    return membership and membership.tenant.slug, user and user.pk


def tenant_of(request: HttpRequest | None) -> str | None:
    """Slug of a request's tenant where it was found out, for the query monitor. No statement."""
    return None if request is None else _who(request)[0]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


@lru_cache(maxsize=2)
def _second(since_1970: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since_1970))


class LineFormatter(logging.Formatter):
    """A line for people: time, level, logger, the request's id or a dash, message."""

    def format(self, record: logging.LogRecord) -> str:
        # Written out: Formatter would take ten times as long, for each request.
        said = f"[{current_request_id() or '-'}]: {record.getMessage()}"
        line = f"{self._moment(record)} {record.levelname} {record.name} {said}"
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        if record.stack_info:
            line += f"\n{self.formatStack(record.stack_info)}"
        return redacted(line)

    def _moment(self, record: logging.LogRecord) -> str:
        return f"{_second(int(record.created))},{int(record.msecs):03d}"


class JSONFormatter(logging.Formatter):
    """A JSON object a line, for programs.

    `time` (RFC 3339, UTC), `level`, `logger`, `message`, `request_id` (null outside of requests);
    the members of `_log` in the line of a request, those of a finding in one of the query monitor;
    `exception` where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": current_request_id() or None,
            **getattr(record, "access", {}),
            **getattr(record, "monitor", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        # Before they are JSON: what is cut out afterwards could take a quote along.
        safe = {
            name: redacted(value) if isinstance(value, str) else value
            for name, value in entry.items()
        }
        return json.dumps(safe, default=str)


_REDACTED: Final = "[redacted]"
_SECRETS: Final = (
    # Tokens of ours, and whatever else stands behind "Bearer".
    re.compile(r"()tp_[0-9]+_[\w-]+"),
    re.compile(r"(?i)(\bbearer\s)[\w.~+/=-]{16,}"),
    # Passwords in URLs. Bounded, or a long address could keep the search busy.
    re.compile(r"(://[^\s:/@]{0,200}:)\S{1,500}(?=@)"),
    # Headers and the like: up to the closing quote if there is one, else to the end of the line.
    re.compile(
        r"""(?i)((?:authorization|cookie|password|sessionid|csrftoken)['"]?\s{0,3}[:=]\s{0,3}"""
        r"""(?:b?(?P<quote>['"]))?)(?(quote)(?:(?!(?P=quote))[^\r\n])*|\S[^\r\n]*)"""
    ),
)

# Each of the patterns needs one of these, in whatever case.
_HINTS: Final = (
    *("tp_", "bearer", "://"),
    *("authorization", "cookie", "password", "sessionid", "csrftoken"),
)


def redacted(text: str) -> str:
    """The text without tokens, passwords of URLs, and headers that carry credentials."""
    folded = text.casefold()
    if not any(hint in folded for hint in _HINTS):
        return text  # nearly every line: the patterns take ten times as long
    for pattern in _SECRETS:
        text = pattern.sub(rf"\1{_REDACTED}", text)
    return text
