"""System checks of the settings and the server. Ids taskproject.E001 to taskproject.W003."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections

_DOCS = "See docs/settings.md#"


@register(Tags.database)
def check_connections(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """All workers' pools together fit what the server lets this role have. Two statements."""
    if "default" not in (databases or []) or not settings.DATABASES["default"]["NAME"]:
        return []
    wanted = settings.WEB_WORKERS * settings.DATABASE_POOL["max_size"]
    try:
        usable = usable_connections()
    except DatabaseError as error:
        return [Warning(f"The database can't be asked: {error}", id="taskproject.W001")]
    if wanted <= usable:
        return []
    return [
        Error(
            f"{settings.WEB_WORKERS} workers with pools of {settings.DATABASE_POOL['max_size']} "
            f"may want {wanted} connections; the server has {usable} for this role.",
            hint=_DOCS + "database_pool_max_size",
            id="taskproject.E001",
        )
    ]


@register()
def check_database_named(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """A database is configured: by DATABASE_URL, or because the embedded one was started once."""
    if settings.DATABASES["default"]["NAME"]:
        return []
    return [
        Warning(
            "There is no database yet.",
            hint="Run `manage.py services start`, or set DATABASE_URL.",
            id="taskproject.W002",
        )
    ]


@register()
def check_pool_serves_threads(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """A pool smaller than the threads makes some of them wait for a connection."""
    if settings.DATABASE_POOL["max_size"] >= settings.WEB_THREADS:
        return []
    return [
        Warning(
            f"{settings.WEB_THREADS} threads share {settings.DATABASE_POOL['max_size']} "
            "connections: requests will wait for each other.",
            hint=_DOCS + "database_pool_max_size",
            id="taskproject.W003",
        )
    ]


def usable_connections() -> int:
    """How many connections the app role may hold: the least of the limits of server, database and
    role, less what is reserved for superusers. -1 stands for no limit in the last two."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
            " - coalesce(current_setting('reserved_connections', true)::int, 0),"
            " nullif(d.datconnlimit, -1), nullif(r.rolconnlimit, -1)"
            " FROM pg_database AS d, pg_roles AS r"
            " WHERE d.datname = current_database() AND r.rolname = current_user"
        )
        return min(int(limit) for limit in cursor.fetchone() if limit is not None)
