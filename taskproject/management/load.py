"""The service as a load test gets at it: `PERF_LOAD_SERVICE` of the settings names it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings
from django.db import connection
from django.utils import timezone

from taskproject.db.context import tenant_context
from taskproject.management.webserver import granian_command
from taskproject.tenancy.credentials import prefix_of
from taskproject.tenancy.models import Membership, Role, Scope, Tenant
from taskproject.tenancy.services import token_issue, token_revoke
from tasks.benchmarks.datasets import TASKS
from tasks.models import LIVE, Task

type Spoken = tuple[str, str, dict[str, str]]


class LoadedService:
    """Production's web server on the lab's tasks, with callers that are owners of tenants."""

    dataset: Final = TASKS
    health: Final = "/readyz"

    def callers(self, tenants: int, lasting_s: float, *, writes: bool) -> list[Spoken]:
        """The slug, the base and the headers of an owner of each tenant that has tasks, the first
        tenants first: `seed` makes them the largest ones. Six statements each. Their tokens read,
        and write where that is needed."""
        scopes = [Scope.READ, Scope.WRITE] if writes else [Scope.READ]
        found: list[Spoken] = []
        for tenant in Tenant.objects.order_by("id").iterator():
            if len(found) == tenants:
                break
            found += _callers(tenant, lasting_s, scopes)
        return found

    def dismiss(self, callers: Sequence[tuple[str, str, Mapping[str, str]]]) -> None:
        """Revoke their tokens. Six statements each."""
        for slug, _, headers in callers:
            with tenant_context(Tenant.objects.get(slug=slug)):
                token_revoke(prefix=prefix_of(headers["authorization"].removeprefix("Bearer ")))

    def command(self) -> list[str]:
        """As `manage.py run` starts it."""
        command = granian_command(
            host="{host}", port=0, workers=settings.WEB_WORKERS, threads=settings.WEB_THREADS
        )
        command[command.index("--port") + 1] = "{port}"
        return command

    def environment(self) -> dict[str, str]:
        """Production's settings, for the database that the default connection is on. Limits are out
        of reach, as one machine speaks for all users, and answers say what they took."""
        return {
            "DJANGO_SETTINGS_MODULE": "tasks.reference.served",
            "DATABASE_URL": _database_url(),
            "REDIS_URL": settings.REDIS_URL,
            "SECRET_KEY": secrets.token_urlsafe(50),
            "SITE_URL": "http://{host}:{port}",
            "DEBUG": "false",
            "LOG_LEVEL": "WARNING",
            "SERVER_TIMING": "true",
            "RATE_LIMIT_TOKEN_PER_MINUTE": "1000000",
            "RATE_LIMIT_TENANT_PER_MINUTE": "1000000",
        }


def _callers(tenant: Tenant, lasting_s: float, scopes: Sequence[Scope]) -> Iterator[Spoken]:
    owners = Membership.objects.filter(tenant=tenant, role=Role.OWNER, active=True)
    with tenant_context(tenant):
        owner = owners.order_by("id").first()
        if owner is None or not Task.objects.filter(LIVE).exists():
            return
        token = token_issue(
            user_id=owner.user_id,
            name="load test",
            scopes=scopes,
            expires_at=timezone.now() + timedelta(seconds=lasting_s),
        )
    base = f"/api/v1/tenants/{tenant.slug}/"
    yield tenant.slug, base, {"authorization": f"Bearer {token.text}"}


def _database_url() -> str:
    place: Any = connection.settings_dict
    account = f"{quote(place['USER'])}:{quote(place['PASSWORD'])}"
    host = f"?host={quote(place['HOST'])}&port={place['PORT'] or 5432}"
    return f"postgresql://{account}@/{place['NAME']}{host}"


SERVICE: Final = LoadedService()
