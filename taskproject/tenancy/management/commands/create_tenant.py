from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from taskproject.tenancy.services import tenant_create


class Command(BaseCommand):
    """Make a tenant."""

    help = "Make a tenant. Example: manage.py create_tenant acme --name 'Acme Inc.'"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "slug", help="its name in addresses: lower-case letters, digits, - and _"
        )
        parser.add_argument("--name", help="its name among people; the slug if left out")

    def handle(self, *, slug: str, name: str | None, **options: Any) -> None:
        try:
            tenant_create(slug=slug, name=name or slug)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(self.style.SUCCESS(f"Made the tenant {slug}."))
        self.stdout.write(
            f"Next: .venv/bin/python manage.py add_member {slug} USERNAME --role owner --create"
        )
