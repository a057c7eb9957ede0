"""How figures of the same rounds compare."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def ratio(ones: Sequence[float], others: Sequence[float]) -> str:
    """The median of the ratios of the rounds, with the lowest and the highest."""
    ratios = [one / other for one, other in zip(ones, others, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
