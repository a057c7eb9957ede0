"""Commands that need the schema's owner."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from taskproject.db.context import all_tenants


class OwnerCommandMixin(BaseCommand):
    """Runs one of Django's commands as the owner, over all tenants."""

    def handle(self, *args: Any, **options: Any) -> Any:
        connection: Any = connections[options["database"]]
        with ExitStack() as stack:
            try:
                stack.enter_context(connection.as_owner())
            except ImproperlyConfigured as error:
                raise CommandError(str(error)) from error
            stack.enter_context(all_tenants())
            return super().handle(*args, **options)
