from __future__ import annotations

from django.core.management.commands import dumpdata

from taskproject.tenancy.management.owner import OwnerCommandMixin


class Command(OwnerCommandMixin, dumpdata.Command):
    """Django's `dumpdata`, as the schema's owner."""
