from __future__ import annotations

from django.core.management.commands import loaddata

from taskproject.tenancy.management.owner import OwnerCommandMixin


class Command(OwnerCommandMixin, loaddata.Command):
    """Django's `loaddata`, as the schema's owner."""
