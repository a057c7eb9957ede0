"""What reads the arguments of commands, for argparse."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path


def at_least(least: int) -> Callable[[str], int]:
    """What reads a whole number from `least` on."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        if number < least:
            raise ArgumentTypeError(f"{text!r} must be {least:,} or more")
        return number

    return read


def new_file(text: str) -> Path:
    """A file that can be written: known before anything else is done."""
    path = Path(text)
    try:
        path.open("a").close()
    except OSError as error:
        raise ArgumentTypeError(f"{text!r} can't be written: {error.strerror}") from error
    return path
