from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from taskproject.db.context import no_tenant
from taskproject.tenancy.identities import token_authenticate
from taskproject.tenancy.models import User
from tasks.dataset.demo import (
    ADMIN,
    OWNER,
    SLUGS,
    demo_is_seeded,
    demo_logins_create,
    demo_options,
)


class Command(BaseCommand):
    """Seed the demo tenants once, and print how to look at them."""

    help = (
        "Seed six demo tenants with about 3,000 tasks that end today, and make an admin user, "
        "once; print the logins. Only for the embedded database: the logins are kept in its "
        "folder. Interrupted, it goes on where it was when it is run again."
    )

    def handle(self, **options: Any) -> None:
        if settings.EMBEDDED is None:
            raise CommandError("The demo is for the embedded database only; DATABASE_URL is set.")
        logins = self._logins(Path(settings.LOCAL_DIR) / "demo.json")
        self._print(logins)

    def _logins(self, file: Path) -> dict[str, str]:
        if User.objects.filter(username=ADMIN).exists():
            return _kept(file)
        if not demo_is_seeded():
            self.stdout.write("Making the demo tenants.")
            self._seed()
        try:
            with transaction.atomic():
                logins = demo_logins_create()
                # Before the commit, so that no login is made that nobody knows.
                file.touch(mode=0o600)
                file.write_text(json.dumps(logins))
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        return logins

    def _seed(self) -> None:
        wanted = demo_options(timezone.now().date())
        named = {each.name: getattr(wanted, each.name) for each in fields(wanted)}
        call_command("seed", verbosity=0, stdout=self.stdout, stderr=self.stderr, **named)

    def _print(self, logins: dict[str, str]) -> None:
        slug = SLUGS[0]
        bold = self.style.MIGRATE_HEADING
        lines = [
            "",
            f"{bold('Address')}    {settings.SITE_URL}/",
            f"{bold('Admin')}      {settings.SITE_URL}/admin/  {ADMIN} / {logins['password']}",
            f"{bold('API token')}  {logins[slug]}",
            *self._revoked(slug, logins[slug]),
            f"{bold('Try')}",
            _curl(slug, logins[slug], "?limit=3"),
            _curl(slug, logins[slug], "?status=active&sort=created&limit=4"),
            _curl(slug, logins[slug], "?sort=-created&limit=2"),
            "",
        ]
        self.stdout.write("\n".join(lines))

    def _revoked(self, slug: str, token: str) -> list[str]:
        """A line for a kept token that works no more."""
        with no_tenant():
            if token_authenticate(text=token) is not None:
                return []
        text = f"The token of {slug} was revoked: issue_token makes another."
        return [self.style.WARNING(text)]


def _kept(file: Path) -> dict[str, str]:
    if not file.exists():
        raise CommandError(
            "The demo was made before, and demo.json with its logins is gone. Issue a token with "
            f"`manage.py issue_token {SLUGS[0]} {OWNER}`, or set a password with `manage.py "
            f"changepassword {ADMIN}`."
        )
    logins: dict[str, str] = json.loads(file.read_text())
    return logins


def _curl(slug: str, token: str, query: str) -> str:
    url = f"{settings.SITE_URL}/api/v1/tenants/{slug}/tasks/{query}"
    return f"  curl -H 'Authorization: Bearer {token}' '{url}'"
