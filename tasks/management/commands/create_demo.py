from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from taskproject.db.context import no_tenant
from taskproject.tenancy.models import Tenant, User
from taskproject.tenancy.services import token_authenticate
from tasks.dataset.demo import TENANTS, demo_tenant_create

ADMIN: Final = "admin"


class Command(BaseCommand):
    """Make the demo tenants once, and print how to look at them."""

    help = (
        "Make two small demo tenants and an admin user, once, and print the logins. Only for the "
        "embedded database: the logins are kept in its folder."
    )

    def handle(self, **options: Any) -> None:
        if settings.EMBEDDED is None:
            raise CommandError("The demo is for the embedded database only; DATABASE_URL is set.")
        logins = self._logins(Path(settings.LOCAL_DIR) / "demo.json")
        self._print(logins)

    def _logins(self, file: Path) -> dict[str, str]:
        if file.exists():
            kept: dict[str, str] = json.loads(file.read_text())
            if User.objects.filter(username=ADMIN).exists():
                return kept
        try:
            with transaction.atomic():
                logins = self._create()
                # Before the commit, so that no login is made that nobody knows.
                file.touch(mode=0o600)
                file.write_text(json.dumps(logins))
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        return logins

    def _create(self) -> dict[str, str]:
        taken = Tenant.objects.filter(slug__in=[demo.slug for demo in TENANTS])
        if taken.exists() or User.objects.filter(username=ADMIN).exists():
            raise CommandError(
                "The demo was made before, and demo.json with its logins is gone. Issue a token "
                "with `manage.py issue_token acme ada`, or set a password with `manage.py "
                "changepassword admin`."
            )
        self.stdout.write("Making the demo tenants.")
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser(ADMIN, password=password)
        return {demo.slug: demo_tenant_create(demo) for demo in TENANTS} | {"password": password}

    def _print(self, logins: dict[str, str]) -> None:
        first, second = (demo.slug for demo in TENANTS)
        bold = self.style.MIGRATE_HEADING
        lines = [
            "",
            f"{bold('Address')}    {settings.SITE_URL}/",
            f"{bold('Admin')}      {settings.SITE_URL}/admin/  {ADMIN} / {logins['password']}",
            f"{bold('API token')}  {logins[first]}",
            *self._revoked(logins),
            f"{bold('Try')}",
            _curl(first, logins[first], "?limit=3"),
            _curl(first, logins[first], "?status=active&sort=created"),
            _curl(second, logins[second], "?limit=2"),
            "",
        ]
        self.stdout.write("\n".join(lines))

    def _revoked(self, logins: dict[str, str]) -> list[str]:
        """A line for each kept token that works no more."""
        with no_tenant():
            return [
                self.style.WARNING(
                    f"The token of {demo.slug} was revoked: issue_token makes another."
                )
                for demo in TENANTS
                if token_authenticate(text=logins[demo.slug]) is None
            ]


def _curl(slug: str, token: str, query: str) -> str:
    url = f"{settings.SITE_URL}/api/v1/tenants/{slug}/tasks/{query}"
    return f"  curl -H 'Authorization: Bearer {token}' '{url}'"
