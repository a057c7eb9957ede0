from __future__ import annotations

from django.core.management.commands import migrate

from taskproject.tenancy.management.owner import OwnerCommandMixin


class Command(OwnerCommandMixin, migrate.Command):
    """Django's `migrate`, as the schema's owner."""
