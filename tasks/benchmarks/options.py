"""What the commands that measure take and print alike."""

from __future__ import annotations

import statistics
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from pathlib import Path


def at_least(least: int) -> Callable[[str], int]:
    """What reads a whole number from `least` on, for argparse."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if number < least:
            raise ArgumentTypeError(f"{text!r} must be {least:,} or more")
        return number

    return read


def ratio(ones: Sequence[float], others: Sequence[float]) -> str:
    """The median of the ratios of the rounds, with the lowest and the highest."""
    ratios = [one / other for one, other in zip(ones, others, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def new_file(text: str) -> Path:
    """A file that can be written, for argparse: known before anything is measured."""
    path = Path(text)
    try:
        path.open("a").close()
    except OSError as error:
        raise ArgumentTypeError(f"{text!r} can't be written: {error.strerror}") from error
    return path
