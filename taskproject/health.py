"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

import logging

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from taskproject import caching

logger = logging.getLogger(__name__)


@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all. No database, no cache."""
    return JsonResponse({"status": "alive"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 if requests can be served, else 503. A cache that is down does not make it unready,
    since everything works without; the answer tells it."""
    database = _database_state()
    ready = database == "ok"
    return JsonResponse(
        {
            "status": "ready" if ready else "unready",
            "database": database,
            "cache": "ok" if caching.answers() else "down",
        },
        status=200 if ready else 503,
        headers={} if ready else {"Retry-After": "1"},
    )


def _database_state() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except ImproperlyConfigured:
        logger.exception("The database must not be used as it is configured.")
        return "refused"
    except DatabaseError:
        return "down"
    return "ok"
