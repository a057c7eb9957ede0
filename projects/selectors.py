"""Reads of projects, in the active tenant."""

from __future__ import annotations

from django.db.models import QuerySet

from projects.models import Project


def project_list() -> QuerySet[Project]:
    """The projects, archived ones too, by key."""
    return Project.objects.order_by("key")  # index: project_key_uniq


def project_get(*, key: str) -> Project:
    """The project of that key. One statement. Raises `Project.DoesNotExist`."""
    return Project.objects.get(key=key)  # index: project_key_uniq
