from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from taskproject.db.context import tenant_context
from taskproject.tenancy.management.lookups import find_member, find_tenant
from taskproject.tenancy.models import Scope, default_scopes
from taskproject.tenancy.services import token_issue


class Command(BaseCommand):
    """Issue an API token for a member of a tenant."""

    help = (
        "Issue an API token for a member of a tenant. The token is printed once, on standard "
        "output, and can't be shown again.\n"
        "Example: manage.py issue_token acme alice --name ci --scopes read --days 90"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="what the token is for")
        parser.add_argument(
            "--scopes",
            nargs="+",
            choices=Scope.values,
            default=default_scopes(),
            help="what it may do at most (default: read write)",
        )
        parser.add_argument("--days", type=int, help="days until it expires (default: never)")

    def handle(
        self,
        *,
        tenant: str,
        username: str,
        name: str,
        scopes: list[str],
        days: int | None,
        **options: Any,
    ) -> None:
        found = find_tenant(tenant)
        member = find_member(found, username)
        try:
            expires_at = None if days is None else timezone.now() + timedelta(days=days)
        except OverflowError:
            raise CommandError("--days is beyond the calendar.") from None
        try:
            with tenant_context(found):
                issued = token_issue(
                    user_id=member.user_id, name=name, scopes=scopes, expires_at=expires_at
                )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stderr.write(f"Token {issued.token.prefix}… of {username} in {tenant}:")
        self.stdout.write(issued.text)
