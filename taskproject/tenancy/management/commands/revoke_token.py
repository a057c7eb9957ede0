from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from taskproject.db.context import tenant_context
from taskproject.tenancy.credentials import prefix_of
from taskproject.tenancy.management.lookups import find_tenant
from taskproject.tenancy.models import ApiToken
from taskproject.tenancy.services import token_revoke


class Command(BaseCommand):
    """Revoke an API token."""

    help = (
        "Revoke an API token by its prefix, the 8 characters after tp_<number>_.\n"
        "Example: manage.py revoke_token acme k3j9x0aa"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("prefix", help="the token's prefix, or the whole token")

    def handle(self, *, tenant: str, prefix: str, **options: Any) -> None:
        found = find_tenant(tenant)
        prefix = prefix_of(prefix)
        try:
            with tenant_context(found):
                token = token_revoke(prefix=prefix)
        except ApiToken.DoesNotExist:
            raise CommandError(f"{tenant} has no token {prefix!r}.") from None
        self.stdout.write(self.style.SUCCESS(f"Revoked {token.prefix}… ({token.name})."))
