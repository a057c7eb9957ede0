"""Refusing to change a row that somebody else has changed since the caller read it."""

from __future__ import annotations

from django.core.exceptions import ValidationError


class VersionConflict(ValidationError):
    """The row has been changed since the version that the caller saw."""


def require_version(name: str, *, version: int, expected: int | None) -> None:
    """Raise `VersionConflict` unless a row, called `name`, is at `expected`; None expects nothing.

    Ask it of a locked row, or the version may grow between the question and the change.
    """
    if expected is not None and version != expected:
        raise VersionConflict(f"The {name} is at version {version}, not {expected}.")
