"""What the commands that measure take and print alike."""

from __future__ import annotations

import statistics
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence


def at_least(least: int) -> Callable[[str], int]:
    """What reads a whole number from `least` on, for argparse."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if number < least:
            raise ArgumentTypeError(f"{text!r} is no whole number from {least:,} on")
        return number

    return read


def ratio(ones: Sequence[float], others: Sequence[float]) -> str:
    """The median of the ratios of the rounds, with the lowest and the highest."""
    ratios = [one / other for one, other in zip(ones, others, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
