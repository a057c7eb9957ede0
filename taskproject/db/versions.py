"""Refusing to change a row that somebody else has changed since the caller read it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F


class VersionConflict(ValidationError):
    """The row has been changed since the version that the caller saw."""


def require_version(name: str, *, version: int, expected: int | None) -> None:
    """Raise `VersionConflict` unless a row, called `name`, is at `expected`; None expects nothing.

    Ask it of a locked row, or the version may grow between the question and the change.
    """
    if expected is not None and version != expected:
        raise VersionConflict(f"The {name} is at version {version}, not {expected}.")


def save_next_version(row: Any, fields: Collection[str]) -> None:
    """Write those fields of a row and nothing else, at its next version. One statement.

    The values that PostgreSQL finds, the version among them, come back with the UPDATE.
    """
    row.version = F("version") + 1
    row.save(update_fields=[*fields, "version"])
