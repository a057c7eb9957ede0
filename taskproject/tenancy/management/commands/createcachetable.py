from __future__ import annotations

from django.core.management.commands import createcachetable

from taskproject.tenancy.management.owner import OwnerCommandMixin


class Command(OwnerCommandMixin, createcachetable.Command):
    """Django's `createcachetable`, as the schema's owner."""
