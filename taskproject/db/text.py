"""Which texts PostgreSQL can hold."""

from __future__ import annotations

from django.core.exceptions import ValidationError


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold a text: JSON can bring a NUL, and a surrogate without its other
    half, which has no UTF-8."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def require_storable(**texts: str | None) -> None:
    """Raise `ValidationError`, by name, for each text that can't be stored. None is no text."""
    if refused := [name for name, text in texts.items() if not storable(text or "")]:
        message = "A text can't contain a NUL or half a surrogate pair."
        raise ValidationError({name: [message] for name in refused})
