"""Reads of projects, in the active tenant."""

from __future__ import annotations

from typing import Final

from django.db.models import QuerySet

from projects.models import Project
from taskproject.db.keyset import Keyset

PROJECT_ORDER: Final = Keyset(("key",))


def project_list() -> QuerySet[Project]:
    """The projects, archived ones too, by key; paged by PROJECT_ORDER."""
    return Project.objects.order_by("key")  # index: project_key_uniq


def project_by_key(*, key: str) -> QuerySet[Project]:
    """The project of a key, with its lead."""
    return Project.objects.select_related("lead").filter(key=key)  # index: project_key_uniq


def project_get(*, key: str) -> Project:
    """The same. One statement. Raises `Project.DoesNotExist`."""
    return project_by_key(key=key).get()
