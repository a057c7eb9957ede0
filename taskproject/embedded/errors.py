"""The one exception of this package."""

from __future__ import annotations


class EmbeddedError(Exception):
    """An expected failure of the embedded services; its text is meant for the person at the shell.

    The text says what was attempted, what stood in the way and what to do about it. It never
    contains a password.
    """
