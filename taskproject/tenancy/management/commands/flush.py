from __future__ import annotations

from django.core.management.commands import flush

from taskproject.tenancy.management.owner import OwnerCommandMixin


class Command(OwnerCommandMixin, flush.Command):
    """Django's `flush`, as the schema's owner."""
